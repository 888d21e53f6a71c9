"""Part `start`: from the start of the process to its first page, and until the engine can answer."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure, Target, at_most, beside, ours_alone
from tests.bench.filled_site import SETTINGS
from tests.bench.measured_site import cpu_seconds
from tests.bench.report import Section
from tests.site_process import ROOT, SiteProcess, free_port

SITE, BARE = "localai_site.asgi:application", "tests.bench.bare_fanout:application"
LOGIN_PAGE, READY = "/accounts/login/", "/readyz"
LOOK_AGAIN_SECONDS = 0.005
PAGE_SECONDS, READY_SECONDS = 60.0, 300.0
STOP_SECONDS = 30
SECONDS_TARGET = at_most(3)

Say = Callable[[str], None]


def measure(folder: Path, rounds: int, say: Say) -> list[Section]:
    say("Starts ")
    for name in ("plain", "engine"):
        (folder / name).mkdir()
    plain = SiteProcess(folder / "plain", **SETTINGS).prepare()
    engine = SiteProcess(folder / "engine", MODEL_NAME="demo").prepare()
    start_once(SITE, plain.environment)  # compiles what was not compiled yet
    starts = []
    for number in range(rounds):
        starts.append(interleaved(plain.environment, is_bare_first=bool(number % 2)))
        say(".")
    say("\nThe engine starts ")
    with started(SITE, engine.environment) as process:
        first_page, ready = process.until(LOGIN_PAGE), process.until(READY)
    figures = start_figures(starts) + engine_figures(first_page, ready)
    return [Section("Start of the process", figures, [*starts, first_page, ready])]


@dataclass(frozen=True, slots=True)
class Start:
    """Since the process was started: until something was answered, and what it had cost."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Pair:
    bare: Start
    ours: Start


@dataclass(frozen=True, slots=True)
class Starting:
    pid: int
    port: int
    began: float

    def until(self, path: str) -> Start:
        deadline = self.began + (READY_SECONDS if path == READY else PAGE_SECONDS)
        while not self._answers(path):
            if time.perf_counter() > deadline:
                raise RuntimeError(f"{path} was not answered.")
            time.sleep(LOOK_AGAIN_SECONDS)
        return Start(time.perf_counter() - self.began, cpu_seconds(self.pid))

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PAGE_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except ConnectionError:
            return False
        finally:
            connection.close()


@contextmanager
def started(application: str, environment: Mapping[str, str]) -> Iterator[Starting]:
    port = free_port()
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), application]
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=quiet, stderr=quiet)
    try:
        yield Starting(process.pid, port, began)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def start_once(application: str, environment: Mapping[str, str]) -> Start:
    with started(application, environment) as process:
        return process.until(LOGIN_PAGE)


def interleaved(environment: Mapping[str, str], *, is_bare_first: bool) -> Pair:
    empty = {"PATH": os.environ["PATH"]}
    first = start_once(BARE, empty) if is_bare_first else None
    ours = start_once(SITE, environment)
    return Pair(first or start_once(BARE, empty), ours)


def start_figures(pairs: list[Pair]) -> list[Figure]:
    bare, ours = [pair.bare for pair in pairs], [pair.ours for pair in pairs]

    def figure(what: str, name: str, target: Target | None, peer: str) -> Figure:
        floor, mine = ([float(getattr(start, name)) for start in side] for side in (bare, ours))
        return beside(what, floor, mine, "s", target, peer)

    return [
        figure("Until the first page", "seconds", SECONDS_TARGET, "27.6 s"),
        figure("CPU until then", "cpu_seconds", None, "17.0 s"),
    ]


def engine_figures(first_page: Start, ready: Start) -> list[Figure]:
    return [
        ours_alone("Until the first page, while vLLM starts", [first_page.seconds], "s", SECONDS_TARGET),
        ours_alone("Until vLLM can answer, demo model", [ready.seconds], "s"),
        ours_alone("CPU of the web process until then", [ready.cpu_seconds], "s"),
    ]
