"""What a server's process holds of the machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

MIB = 2**20
SETTLE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Level:
    resident_mib: float
    threads: int
    descriptors: int
    sockets: int

    @classmethod
    def of(cls, process: psutil.Process) -> Level:
        with process.oneshot():
            return cls(
                resident_mib=process.memory_info().rss / MIB,
                threads=process.num_threads(),
                descriptors=process.num_fds(),
                sockets=len(process.net_connections("all")),
            )

    @classmethod
    def at_rest(cls, process: psutil.Process) -> Level:
        """Once all pages are closed: when nothing but listening has gone on for a moment."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            if not [each for each in process.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]:
                break
            time.sleep(0.2)
        return cls.of(process)
