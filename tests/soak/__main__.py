"""`python -m tests.soak`: prints what is left after so many replies; ends with 1 if it is too much."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import psutil

from tests.scripted_server import ScriptedServer, reply
from tests.services import RedisServer
from tests.site_process import SiteProcess
from tests.soak.level import Level
from tests.soak.visitor import Visitor
from tests.viewer import Person, Viewer

WARM_UP_REPLIES = 50
PEOPLE = ("ann", "bob")
MAY_GROW = {"resident_mib": 30, "threads": 2, "descriptors": 4, "sockets": 4}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--replies", type=int, default=500, help="after the 50 to warm up (default 500)")
    parser.add_argument("--seed", type=int, default=1, help="of what happens (default 1)")
    parser.add_argument("--redis", action="store_true", help="over Redis instead of in memory")
    return parser.parse_args()


async def visit(visitors: list[Visitor], replies: int) -> None:
    """So many replies, shared by all."""
    passers_by = [asyncio.create_task(visitor.pass_by()) for visitor in visitors]
    try:
        await asyncio.gather(*(visitor.run(replies // len(visitors)) for visitor in visitors))
    finally:
        for task in passers_by:
            task.cancel()
        await asyncio.gather(*passers_by, return_exceptions=True)


async def is_gate_free(visitors: list[Visitor], script: ScriptedServer) -> bool:
    """Whether as many answers as it is wide run at the same time."""
    script.scripts.clear()
    hold = threading.Event()
    for _ in visitors:
        script.enqueue(reply("", "one two three"), hold=hold, hold_at=6)
    pages = [Viewer(each.person, each.site, each.person.new_conversation(each.site)) for each in visitors]
    async with pages[0] as first, pages[1] as second:
        for page in (first, second):
            await page.ask("Is it free?")
        for page in (first, second):
            await page.until(lambda it: it.status == "streaming" or bool(it.alert))
        is_free = [page.status for page in (first, second)] == ["streaming"] * 2
        hold.set()
        for page in (first, second):
            await page.until(lambda it: it.status != "streaming")
    return is_free


def outcomes(site: SiteProcess) -> Counter[str]:
    """How many answers have each status, by SQL."""
    with closing(sqlite3.connect(site.folder / "db.sqlite3")) as connection:
        query = "SELECT status, count(*) FROM chat_message WHERE role = 'assistant' GROUP BY status"
        return Counter(dict(connection.execute(query).fetchall()))


def soak(site: SiteProcess, script: ScriptedServer, chosen: argparse.Namespace) -> bool:
    assert site.process
    process = psutil.Process(site.process.pid)
    random = Random(chosen.seed)
    visitors = [Visitor(Person(site, name), site, script, Random(random.random())) for name in PEOPLE]
    levels, started = {}, time.monotonic()
    for replies in (WARM_UP_REPLIES, chosen.replies // 2, chosen.replies - chosen.replies // 2):
        asyncio.run(visit(visitors, replies))
        seen = sum(visitor.counts["replies"] for visitor in visitors)
        levels[f"after {seen}"] = Level.at_rest(process)
    seconds = time.monotonic() - started
    is_free = asyncio.run(is_gate_free(visitors, script))
    ends = outcomes(site)
    say_levels(levels)
    counts = sum((visitor.counts for visitor in visitors), Counter[str]())
    say(f"{seconds:.0f} s; " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
    say("saved: " + ", ".join(f"{name} {count}" for name, count in ends.most_common()))
    say(f"the gate is {'free' if is_free else 'STILL HELD'}; errors in the log: {site.log.count('Traceback')}")
    say(site.log[max(0, site.log.find("Traceback") - 300) :][:4000] if "Traceback" in site.log else "")
    first, *_, last = levels.values()
    has_grown = any(getattr(last, name) - getattr(first, name) > most for name, most in MAY_GROW.items())
    return is_free and not has_grown and not ends["streaming"] and "Traceback" not in site.log


def say_levels(levels: dict[str, Level]) -> None:
    say("| | " + " | ".join(levels) + " |")
    say("|---|" + "---:|" * len(levels))
    for name in MAY_GROW:
        values = " | ".join(f"{getattr(level, name):.0f}" for level in levels.values())
        say(f"| {name.replace('_', ' ')} | {values} |")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main() -> None:
    chosen = options()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script, redis = ScriptedServer().start(), RedisServer(folder)
        settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": script.url, "MODEL_NAME": "scripted"}
        if chosen.redis:
            redis.start()
            settings["REDIS_URL"] = redis.url
        site = SiteProcess(folder, MAX_CONCURRENT_GENERATIONS=str(len(PEOPLE)), **settings).prepare()
        try:
            is_well = soak(site.start().wait_ready(), script, chosen)
        finally:
            site.stop()
            redis.stop()
            script.stop()
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
