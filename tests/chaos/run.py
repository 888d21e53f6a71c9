"""One run: a house, ten people, the faults of a plan; then what must hold."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from tests.chaos.faults import FAULTS, Scene, possible
from tests.chaos.house import House, house
from tests.chaos.invariants import Memory, broken, grown, left, restless, unended
from tests.chaos.plan import Break, plan
from tests.chaos.talker import BrokenPromiseError, Talker
from tests.guests import guests
from tests.site_process import SiteProcess
from tests.soak.level import Level

PEOPLE = 10
DEAD_SECONDS = 100.0
LOOK_SECONDS = 0.02

Say = Callable[[str], None]


@dataclass
class Report:
    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def run(seed: int, faults: int, kind: str, folder: Path, say: Say, keep: Path | None = None) -> Report:
    """All that is drawn is drawn from the seed. The logs go to the folder `keep`."""
    folder.mkdir()
    with house(kind, folder) as built:
        built.sites[0].prepare()
        people = guests(built.sites[0], PEOPLE)
        built.start()
        talkers = [
            Talker(f"s{seed}p{number}", person, _turned(built.sites, number), Random(f"{seed} {number}"))
            for number, person in enumerate(people)
        ]
        for talker in talkers:
            talker.is_known = kind != "vllm"
        report = Report(seed)
        asyncio.run(_live(Scene(built, talkers), plan(seed, faults, possible(built)), report, say))
        report.errors.update(line.split(":")[0] for line in built.errors())
        built.stop()
        report.broken += left(built)
        if keep:
            _keep(built, keep / f"{kind}-{seed}")
    return report


def _keep(house: House, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, site in enumerate(house.sites):
        shutil.copy(site.folder / "server.log", folder / f"server-{number}.log")


def _turned(sites: list[SiteProcess], number: int) -> list[SiteProcess]:
    first = number % len(sites)
    return sites[first:] + sites[:first]


async def _live(scene: Scene, breaks: list[Break], report: Report, say: Say) -> None:
    started = time.monotonic()
    house, talkers, memory = scene.house, scene.talkers, Memory()
    tasks = [asyncio.create_task(talker.talk()) for talker in talkers]
    crowd = Crowd(talkers, tasks)
    try:
        await crowd.until_each_has_asked()
        levels = [Level.of(psutil.Process(site.pid)) for site in house.sites]
        for each in breaks:
            await crowd.frames(each.frames)
            memory.look(house)
            say(f"  {time.monotonic() - started:5.1f} s: {each}")
            report.faults.update(fault.kind for fault in each.faults)
            await _break(scene, each)
        say(f"  {time.monotonic() - started:5.1f} s: the end")
        await crowd.end()
        say(f"  {time.monotonic() - started:5.1f} s: rest")
        await _rest(house)
        messages = memory.look(house)
        report.outcomes.update(each.status for each in messages.values() if each.role == "assistant")
        report.broken += broken(house, messages, talkers)
        for site, level in zip(house.sites, levels, strict=True):
            report.broken += grown(level, Level.of(psutil.Process(site.pid)))
        report.broken += left(house)
    except BrokenPromiseError as error:
        report.broken.append(f"{error} Without an outcome in the database: {unended(house)}.")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        report.broken += memory.broken
        report.seen.update(sum((talker.seen for talker in talkers), Counter[str]()))


@dataclass(frozen=True, slots=True)
class Crowd:
    talkers: Sequence[Talker]
    tasks: Sequence[asyncio.Task[None]]

    async def frames(self, count: int) -> None:
        """Until so many more have reached somebody: something works."""
        end = self._frames() + count
        await _until(lambda: self._frames() >= end, self._check, "no page is told anything")

    async def until_each_has_asked(self) -> None:
        await _until(lambda: all(talker.asked for talker in self.talkers), self._check, "somebody cannot ask")

    async def end(self) -> None:
        for talker in self.talkers:
            talker.is_over = True
        await _until(lambda: all(task.done() for task in self.tasks), self._check, "somebody waits for an answer")

    def _frames(self) -> int:
        return sum(talker.frames for talker in self.talkers)

    def _check(self) -> None:
        for task in self.tasks:
            if task.done() and (error := task.exception()) is not None:
                raise error if isinstance(error, BrokenPromiseError) else BrokenPromiseError(repr(error)) from error


async def _until(is_so: Callable[[], bool], check: Callable[[], None], otherwise: str) -> None:
    deadline = time.monotonic() + DEAD_SECONDS
    while not is_so():
        check()
        if time.monotonic() > deadline:
            raise BrokenPromiseError(f"After {DEAD_SECONDS:.0f} s {otherwise}.")
        await asyncio.sleep(LOOK_SECONDS)
    check()


async def _break(scene: Scene, what: Break) -> None:
    """All at once, and mended in the order of what stands on what."""
    for fault in what.faults:
        await asyncio.to_thread(FAULTS[fault.kind].do, scene, fault)
    await asyncio.sleep(what.seconds)
    for fault in sorted(what.faults, key=lambda fault: list(FAULTS).index(fault.kind)):
        await asyncio.to_thread(FAULTS[fault.kind].mend, scene, fault)


async def _rest(house: House) -> None:
    """Nobody looks on any more: nothing is held, open or running."""
    await _until(lambda: not restless(house), lambda: None, "something is held still")
