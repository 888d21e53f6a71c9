"""The real Redis and the real PostgreSQL, started for a test on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
from redis import Redis
from redis.exceptions import RedisError

from tests.site_process import free_port

START_SECONDS = 30


class RedisServer:
    """Keeps nothing on disk: after a stop and a start it is empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Returns when it answers."""
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        with Redis.from_url(self.url) as client:
            while not self._answers(client):
                assert self._process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        if self._process:
            self.thaw()
            self._signal(signal.SIGTERM)
            self._wait()

    def _wait(self) -> None:
        assert self._process
        self._process.wait(START_SECONDS)
        self._process = None

    def _answers(self, client: Redis) -> bool:
        try:
            return bool(client.ping())
        except RedisError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)


class PostgreSQLServer:
    """A cluster of its own; PostgreSQL refuses to run as root, so it runs as Debian's user for it then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._user = "postgres" if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgres://localai@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Returns when it answers. After a stop or a kill it has what it had."""
        if not (self._folder / "data").exists():
            self._create()
        options = ["-p", str(self._port), "-k", str(self._folder), "-c", "listen_addresses=127.0.0.1"]
        self._process = subprocess.Popen(
            [_postgresql("postgres"), "-D", self._data, *options, "-c", "fsync=off", "-c", "max_connections=300"],
            user=self._user,
            stderr=subprocess.DEVNULL,
        )
        ready = [_postgresql("pg_isready"), "-h", "127.0.0.1", "-p", str(self._port), "-q"]
        deadline = time.monotonic() + 2 * START_SECONDS
        while subprocess.run(ready, check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    @property
    def has_ended(self) -> bool:
        """By itself, as without any room on its disk."""
        return self._process is not None and self._process.poll() is not None

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _create(self) -> None:
        if self._user:
            self._folder.parent.chmod(0o755)
            self._folder.parent.parent.chmod(0o755)
            shutil.chown(self._folder, self._user)
        initdb = [_postgresql("initdb"), "-D", self._data, "-U", "localai", "-A", "trust", "-E", "UTF8"]
        subprocess.run(initdb, user=self._user, check=True, stdout=subprocess.DEVNULL)

    def freeze(self) -> None:
        """With the processes that serve its clients."""
        self._tell(signal.SIGSTOP)

    def thaw(self) -> None:
        self._tell(signal.SIGCONT)

    def kill(self) -> None:
        """At once, all of it, as when its machine dies; a server cannot start again beside a process of the old one."""
        assert self._process
        family = self._tell(signal.SIGKILL)
        self._process.wait(START_SECONDS)
        psutil.wait_procs(family, START_SECONDS)
        self._process = None

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_SECONDS)
            self._process = None

    def _tell(self, number: signal.Signals) -> list[psutil.Process]:
        """To the server and all that it has started; returns them."""
        assert self._process
        server = psutil.Process(self._process.pid)
        family = [server, *server.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return family


def _postgresql(program: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else "postgresql-is-missing"
