"""The real Redis, started for a test on loopback."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

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

    def stop(self) -> None:
        if self._process:
            self.thaw()
            self._signal(signal.SIGTERM)
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
