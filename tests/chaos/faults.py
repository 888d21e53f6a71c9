"""What each kind of fault takes from a house, and how it comes back."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.chaos.clock import Clock
from tests.chaos.house import House
from tests.chaos.plan import Fault
from tests.chaos.talker import Talker
from tests.site_process import SiteProcess


@dataclass(frozen=True, slots=True)
class Scene:
    """What can break: the house, and the people's connections."""

    house: House
    talkers: Sequence[Talker]

    def site(self, fault: Fault) -> SiteProcess:
        return self.house.sites[fault.which % len(self.house.sites)]

    def clock(self, fault: Fault) -> Clock:
        return self.house.clocks[fault.which % len(self.house.clocks)]

    def some(self, fault: Fault) -> list[Talker]:
        first = fault.which % len(self.talkers)
        return [*self.talkers[first:], *self.talkers[:first]][: fault.size]


Deed = Callable[[Scene, Fault], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """`mend` runs in a thread, for it may take seconds; people come to life again on their own loop."""

    do: Deed
    mend: Deed


def nothing(scene: Scene, fault: Fault) -> None:
    """It mends itself."""


def kill_site(scene: Scene, fault: Fault) -> None:
    scene.site(fault).stop(signal.SIGKILL)


def end_site(scene: Scene, fault: Fault) -> None:
    """A frozen one could not."""
    thaw_site(scene, fault)
    scene.site(fault).stop(signal.SIGTERM)


def start_site(scene: Scene, fault: Fault) -> None:
    if scene.site(fault).process is None:
        scene.site(fault).start()


def freeze_site(scene: Scene, fault: Fault) -> None:
    tell_site(scene, fault, signal.SIGSTOP)


def thaw_site(scene: Scene, fault: Fault) -> None:
    tell_site(scene, fault, signal.SIGCONT)


def tell_site(scene: Scene, fault: Fault, number: signal.Signals) -> None:
    if (process := scene.site(fault).process) is not None:
        process.send_signal(number)


def engine_core(scene: Scene) -> list[psutil.Process]:
    """vLLM's own process; none while it starts, or while its server is away."""
    with suppress(AssertionError, psutil.NoSuchProcess):
        return [each for each in scene.house.sites[0].family() if "EngineCore" in each.name()]
    return []


def kill_engine(scene: Scene, fault: Fault) -> None:
    if scene.house.engine:
        scene.house.engine.kill()
    for core in engine_core(scene):
        core.kill()


def start_engine(scene: Scene, fault: Fault) -> None:
    if scene.house.engine:
        scene.house.engine.start()


def freeze_engine(scene: Scene, fault: Fault) -> None:
    if scene.house.engine:
        scene.house.engine.freeze()
    for core in engine_core(scene):
        core.suspend()


def thaw_engine(scene: Scene, fault: Fault) -> None:
    if scene.house.engine:
        scene.house.engine.thaw()
    for core in engine_core(scene):
        core.resume()


def kill_redis(scene: Scene, fault: Fault) -> None:
    assert scene.house.redis
    scene.house.redis.kill()


def start_redis(scene: Scene, fault: Fault) -> None:
    assert scene.house.redis
    scene.house.redis.start()


def freeze_redis(scene: Scene, fault: Fault) -> None:
    assert scene.house.redis
    scene.house.redis.freeze()


def thaw_redis(scene: Scene, fault: Fault) -> None:
    assert scene.house.redis
    scene.house.redis.thaw()


def kill_postgresql(scene: Scene, fault: Fault) -> None:
    assert scene.house.postgresql
    scene.house.postgresql.kill()


def start_postgresql(scene: Scene, fault: Fault) -> None:
    assert scene.house.postgresql
    scene.house.postgresql.start()


def freeze_postgresql(scene: Scene, fault: Fault) -> None:
    assert scene.house.postgresql
    scene.house.postgresql.freeze()


def thaw_postgresql(scene: Scene, fault: Fault) -> None:
    assert scene.house.postgresql
    scene.house.postgresql.thaw()


def fill_disk(scene: Scene, fault: Fault) -> None:
    assert scene.house.disk
    scene.house.disk.fill()


def free_disk(scene: Scene, fault: Fault) -> None:
    """PostgreSQL ends itself where it cannot write its log: then somebody starts it again."""
    assert scene.house.disk
    scene.house.disk.free()
    if scene.house.postgresql and scene.house.postgresql.has_ended:
        scene.house.postgresql.start()


def jump(scene: Scene, fault: Fault) -> None:
    scene.clock(fault).jump(fault.size)


def jump_back(scene: Scene, fault: Fault) -> None:
    scene.clock(fault).jump(0)


def cut_sockets(scene: Scene, fault: Fault) -> None:
    for talker in scene.some(fault):
        talker.be_cut()


def slow_sockets(scene: Scene, fault: Fault) -> None:
    for talker in scene.some(fault):
        talker.stall()


def quicken_sockets(scene: Scene, fault: Fault) -> None:
    for talker in scene.some(fault):
        talker.go_on()


FAULTS = {
    "postgresql is killed": Kind(kill_postgresql, start_postgresql),
    "postgresql is frozen": Kind(freeze_postgresql, thaw_postgresql),
    "redis is killed": Kind(kill_redis, start_redis),
    "redis is frozen": Kind(freeze_redis, thaw_redis),
    "disk is full": Kind(fill_disk, free_disk),
    "clock jumps": Kind(jump, jump_back),
    "engine is killed": Kind(kill_engine, start_engine),
    "engine is frozen": Kind(freeze_engine, thaw_engine),
    "server is killed": Kind(kill_site, start_site),
    "server is ended": Kind(end_site, start_site),
    "server is frozen": Kind(freeze_site, thaw_site),
    "sockets are cut": Kind(cut_sockets, nothing),
    "sockets are slow": Kind(slow_sockets, quicken_sockets),
}
"""In the order in which they are mended: nothing comes back before what it stands on."""


def possible(house: House) -> list[str]:
    """Kinds of faults that this house, on this machine, can have."""
    missing = set()
    if not house.postgresql:
        missing |= {kind for kind in FAULTS if "postgresql" in kind or "redis" in kind}
    if not house.disk:
        missing.add("disk is full")
    return [kind for kind in FAULTS if kind not in missing]
