"""What is broken: a site with all that it stands on; each part can be taken away and put back."""

from __future__ import annotations

import os
import signal
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from tests.chaos.clock import Clock
from tests.chaos.disk import Disk
from tests.chaos.engine import EngineProcess
from tests.services import PostgreSQLServer, RedisServer
from tests.site_process import ROOT, SiteProcess

WIDTH = 4
KINDS = ("small", "shared", "vllm")
SETTINGS = {
    "MAX_CONCURRENT_GENERATIONS": str(WIDTH),
    "FIRST_TOKEN_TIMEOUT": "6",
    "NEXT_TOKEN_TIMEOUT": "3",
    "DEFAULT_MAX_TOKENS": "3000",
}
MARK = "LOCALAI_CHAOS"

Row = tuple[object, ...]
Start = Callable[[SiteProcess], None]


@dataclass
class House:
    """Small is one process and SQLite, shared two, PostgreSQL and Redis; vllm is small, with the real vLLM."""

    kind: str
    mark: str
    sites: list[SiteProcess]
    clocks: list[Clock]
    disk: Disk | None
    engine: EngineProcess | None = None
    redis: RedisServer | None = None
    postgresql: PostgreSQLServer | None = None
    lost: list[str] = field(default_factory=list)

    def start(self) -> None:
        with ThreadPoolExecutor(len(self.sites)) as threads:
            list(threads.map(lambda site: site.start().wait_ready(), self.sites))

    def stop(self) -> None:
        for site in self.sites:
            site.stop(signal.SIGKILL)

    def query(self, sql: str) -> list[Row]:
        """Asked beside the site: no code of its own is between."""
        if self.postgresql:
            with psycopg.connect(self.postgresql.url, connect_timeout=5) as connection:
                return connection.execute(sql.encode()).fetchall()
        with closing(sqlite3.connect(self.sites[0].folder / "db.sqlite3", timeout=20)) as database:
            return database.execute(sql).fetchall()

    def processes(self) -> list[psutil.Process]:
        """All that came from this house, also of servers that are gone."""
        return [process for process in psutil.process_iter() if self._has_mark(process)]

    def _has_mark(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self.mark
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def errors(self) -> list[str]:
        """The last lines of the tracebacks in the logs."""
        lines = [line for site in self.sites for line in site.log.splitlines()]
        return [line for line in lines if line and line[0].isalpha() and "Error: " in line[:120]]


@contextmanager
def house(kind: str, folder: Path) -> Iterator[House]:
    """Prepared, not started. Nothing of it is left afterwards."""
    with ExitStack() as stack:
        mark = uuid.uuid4().hex
        settings = SETTINGS | {MARK: mark}
        folders = [folder / f"site-{number}" for number in range(2 if kind == "shared" else 1)]
        for each in folders:
            each.mkdir()
        clocks = [Clock(folder / f"clock-{number}") for number, _ in enumerate(folders)]
        engine = None
        if kind != "vllm":
            engine = EngineProcess(dict(os.environ) | {MARK: mark, "PYTHONPATH": str(ROOT)})
            engine.start()
            stack.callback(engine.kill)
            settings |= {"ENGINE": "vllm-server", "VLLM_SERVER_URL": engine.url, "MODEL_NAME": "scripted"}
        else:
            settings |= {"MODEL_NAME": "demo"}
        disk_folder = folder / "postgresql" if kind == "shared" else folders[0]
        disk_folder.mkdir(exist_ok=True)
        disk = Disk(disk_folder) if Disk(disk_folder).mount() else None
        if disk:
            stack.callback(disk.unmount)
        made = House(kind, mark, [], clocks, disk, engine)
        if kind == "shared":
            made.redis, made.postgresql = RedisServer(folder), PostgreSQLServer(disk_folder)
            for service in (made.redis, made.postgresql):
                service.start()
                stack.callback(service.stop)
            settings |= {"REDIS_URL": made.redis.url, "DATABASE_URL": made.postgresql.url}
        for each, clock in zip(folders, clocks, strict=True):
            made.sites.append(SiteProcess(each, **settings, **clock.environment))
        stack.callback(made.stop)
        yield made
