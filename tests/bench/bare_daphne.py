"""The site's own server with next to nothing behind it, as a process: the floor under watchers, starts and pages."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import TracebackType

import httpx

from tests.site_process import ROOT, free_port

START_SECONDS = 30


class BareDaphne:
    """`with` starts and stops it."""

    def __init__(self, module: str = "bare_fanout") -> None:
        self._module = module
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> BareDaphne:
        where = ["-b", "127.0.0.1", "-p", str(self.port), "--no-server-name", "-v0"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "daphne", *where, f"tests.bench.{self._module}:application"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The bare server did not start.")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _is_ready(self) -> bool:
        try:
            return httpx.get(self.url, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
