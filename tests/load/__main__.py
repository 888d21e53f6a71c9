"""`python -m tests.load`: loads a site of its own at each rate, and says which ones it bore.

It ends with 1 if anything was lost or wrong; that a rate is too high for a machine is a figure like any other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from tests.bench.scale import House, Kind, house
from tests.guests import guests
from tests.load.browser import Browser, History
from tests.load.parts import Spent
from tests.load.report import Run
from tests.load.talk import Talk
from tests.load.traffic import Records, Traffic, come_one_by_one
from tests.viewer import Person

NAME = "guest"
TALKERS = 5
IDLE_PAGES = 40
SETTLE_SECONDS = 2.0
LOG_CHARACTERS = 4000


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--rate", type=float, nargs="+", default=[500.0], help="requests/s, one after another (500)")
    parser.add_argument("--users", type=int, default=200, help="with an open page each (default 200)")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each rate (default 120)")
    parser.add_argument("--processes", type=int, default=1, help="above 1: behind nginx, on PostgreSQL and Redis")
    parser.add_argument("--generations", type=float, default=10.0, help="a minute (default 10)")
    parser.add_argument("--conversations", type=int, default=35, help="of each user (default 35)")
    parser.add_argument("--seed", type=int, default=1, help="of who asks for what (default 1)")
    return parser.parse_args(arguments)


class Crowd:
    """All people of a site: those who read, with their browsers, and a few who talk."""

    def __init__(self, built: House, chosen: argparse.Namespace) -> None:
        self._house, self._chosen = built, chosen
        everybody: list[Person] = [*guests(built.sites[0], chosen.users + TALKERS, NAME)]
        self._people, self._talkers = everybody[:-TALKERS], everybody[-TALKERS:]
        self._histories = _histories(built, chosen.conversations)
        self._records = Records()

    def note(self, kind: str, due: float, ended: float) -> None:
        self._records.note(kind, due, ended)

    async def load(self) -> bool:
        """Whether everything was whole, at all rates."""
        draw = Random(self._chosen.seed)
        browsers = [
            Browser(person, f"{NAME}{number}", self._house.front, history, Random(draw.random()), self.note)
            for number, (person, history) in enumerate(zip(self._people, self._histories, strict=False))
        ]
        is_whole = True
        try:
            await come_one_by_one(browsers, 1)
            for rate in self._chosen.rate:
                run = await self._run(browsers, rate, draw)
                say("\n".join(run.lines()) + "\n")
                is_whole = is_whole and run.is_whole
        finally:
            await asyncio.gather(*(browser.close() for browser in browsers))
        return is_whole

    async def _run(self, browsers: list[Browser], rate: float, draw: Random) -> Run:
        await asyncio.sleep(SETTLE_SECONDS)
        self._records = Records()
        await come_one_by_one(draw.sample(browsers, min(IDLE_PAGES, len(browsers))), 1)
        idle = self._records.milliseconds["page"]
        self._records = records = Records()
        talk = Talk(self._talkers, self._house.front, self._house.script)
        before = Spent.now()
        await asyncio.gather(
            Traffic(browsers, records, draw).run(rate, self._chosen.seconds),
            talk.run(self._chosen.generations, self._chosen.seconds),
        )
        use = Spent.now().since(before)
        return Run(rate, idle, records, talk, use, sum(browser.has_lost_socket for browser in browsers))


def _histories(built: House, conversations: int) -> list[History]:
    call = f"import json; from tests.load import seed; print(json.dumps(seed.histories({NAME!r}, {conversations})))"
    done = built.sites[0].manage("shell", "-v0", "-c", call)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return [[(key, answer) for key, answer in history] for history in json.loads(done.stdout)]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> bool:
    chosen = options(arguments)
    many = chosen.processes > 1
    kind = Kind(f"{chosen.processes} processes", processes=chosen.processes, sql=many, redis=many)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        built = stack.enter_context(house(kind, folder / "site"))
        began = time.monotonic()
        crowd = Crowd(built, chosen)
        say(f"{chosen.users} users with {chosen.conversations} conversations each ({time.monotonic() - began:.0f} s)")
        is_whole = asyncio.run(crowd.load())
        log = built.sites[0].log  # all servers write into the same
        say(f"errors in the log: {log.count('Traceback')}")
        say(log[max(0, log.find("Traceback") - 300) :][:LOG_CHARACTERS] if "Traceback" in log else "")
    return is_whole and "Traceback" not in log


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
