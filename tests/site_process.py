"""The whole product as one process: daphne over its own database, as people run it."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from array import array
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct-horse-7"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """What the database has of an answer, by SQL: no code of the site is between."""

    status: str
    thinking: str
    text: str
    token_ids: list[int]


class SiteProcess:
    """A server in `folder`, with the people ann and bob; `settings` go to its environment."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LOCALAI_ENV_FILE": str(folder / "none.env"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "SECRET_KEY": "only-for-tests-0123456789-0123456789-0123456789-0123456789",
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def prepare(self) -> SiteProcess:
        """Database, static files and people."""
        for arguments in (["migrate", "-v0"], ["collectstatic", "--no-input", "-v0"]):
            done = self.manage(*arguments)
            assert done.returncode == 0, done.stderr
        people = f"[User.objects.create_user(name, password={PASSWORD!r}) for name in ('ann', 'bob')]"
        done = self.manage("shell", "-v0", "-c", f"from django.contrib.auth.models import User; {people}")
        assert done.returncode == 0, done.stderr
        return self

    def start(self) -> SiteProcess:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "daphne",
                    "-b",
                    "127.0.0.1",
                    "-p",
                    str(self.port),
                    "localai_site.asgi:application",
                ],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self.wait_for("/healthz", 60)
        return self

    def wait_ready(self, seconds: float = 300) -> SiteProcess:
        """Until the engine can answer."""
        self.wait_for("/readyz", seconds)
        return self

    def wait_for(self, path: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            assert self.process is not None
            assert self.process.poll() is None, f"The server ended:\n{self.log[-3000:]}"
            try:
                response = httpx.get(f"{self.url}{path}", trust_env=False, timeout=5)
            except httpx.HTTPError as error:
                seen = repr(error)
            else:
                if response.status_code == 200:
                    return
                seen = response.text
            assert time.monotonic() < deadline, f"{path}: {seen}\n{self.log[-3000:]}"
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def family(self) -> list[psutil.Process]:
        """The server and all processes that came from it; they can be asked about after its end, too."""
        assert self.process is not None
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]

    def engine_core(self) -> psutil.Process:
        """vLLM's own process."""
        (core,) = [process for process in self.family() if "EngineCore" in process.name()]
        return core

    def saved(self, message: int) -> SavedAnswer:
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=20)) as connection:
            query = "SELECT status, thinking, text, token_ids FROM chat_message WHERE id = ?"
            status, thinking, text, token_ids = connection.execute(query, [message]).fetchone()
        return SavedAnswer(status, thinking, text, array("I", token_ids).tolist())
