"""The parts of a site under load, by their processes: how much of the machine each has had."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

NAMES = {"postgres": "PostgreSQL", "redis-server": "Redis", "nginx": "nginx"}
CLIENTS = "clients and scripted engine"
NEARLY_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds so far: of the parts, and of the whole machine with all that others do there."""

    parts: Mapping[str, float]
    machine: float
    at: float

    @classmethod
    def now(cls) -> Spent:
        own = psutil.Process()
        parts = {CLIENTS: _seconds(own)}
        webs: list[psutil.Process] = []
        for process in own.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                name = NAMES.get(process.name())
                if name:
                    parts[name] = parts.get(name, 0.0) + _seconds(process, with_ended=True)
                elif "daphne" in process.cmdline():
                    webs.append(process)
        for number, process in enumerate(sorted(webs, key=lambda it: it.pid), 1):
            parts[f"web process {number}"] = _seconds(process)
        times = psutil.cpu_times()
        return cls(parts, sum(times) - times.idle - times.iowait, time.monotonic())

    def since(self, before: Spent) -> Use:
        seconds = self.at - before.at
        parts = {name: (spent - before.parts.get(name, 0.0)) / seconds for name, spent in self.parts.items()}
        return Use(parts, (self.machine - before.machine) / seconds, os.cpu_count() or 1)


def _seconds(process: psutil.Process, *, with_ended: bool = False) -> float:
    """With what its ended processes had, as PostgreSQL has one for each connection."""
    times = process.cpu_times()
    ended = times.children_user + times.children_system if with_ended else 0.0
    return float(times.user + times.system + ended)


@dataclass(frozen=True, slots=True)
class Use:
    """Cores that each part took."""

    parts: Mapping[str, float]
    machine: float
    cores: int

    @property
    def others(self) -> float:
        """What the machine did beside."""
        return max(0.0, self.machine - sum(self.parts.values()))

    @property
    def full(self) -> str:
        """What has nothing left. A process of Python's has one core, however many there are."""
        busiest = max(self.parts, key=lambda name: self.parts[name])
        if self.machine >= NEARLY_FULL * self.cores:
            return f"the machine's {self.cores} cores, most of them in: {busiest}"
        if self.parts[busiest] >= NEARLY_FULL and busiest != "PostgreSQL":
            return f"the one core of: {busiest}"
        return "nothing"
