"""Part `idle`: what the web process holds and does when nobody asks anything; and what is installed for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Browser

from tests.bench.bare_daphne import BareDaphne
from tests.bench.figures import Figure, at_most, beside, ours_alone
from tests.bench.install import measure_installation
from tests.bench.measured_site import cpu_seconds, measured_site
from tests.bench.paced_server import PacedServer, answer_of
from tests.bench.page import chromium
from tests.bench.report import Section
from tests.bench.visitor import Visitor

PAGES = 60
IDLE_SECONDS = 10.0
REST_SECONDS = 2.0
"""Between use and rest."""
MEBIBYTE = 2**20
MEMORY_TARGET = at_most(140)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rest:
    """A process in mebibytes (PSS: what it shares is divided among those who share it), and its share of a core."""

    pss: float
    uss: float
    rss: float
    cpu_percent: float = 0.0
    others_pss: float = 0.0

    @classmethod
    def of(cls, pid: int, cpu_percent: float = 0.0) -> Rest:
        process = psutil.Process(pid)
        memory = process.memory_full_info()
        others = sum(each.memory_full_info().pss for each in process.children(recursive=True))
        pss, uss, rss = (size / MEBIBYTE for size in (memory.pss, memory.uss, memory.rss))
        return cls(pss, uss, rss, cpu_percent, others / MEBIBYTE)


@dataclass(frozen=True, slots=True)
class Pair:
    bare: Rest
    ours: Rest


def measure(folder: Path, rounds: int, say: Say) -> list[Section]:
    say("At rest ")
    pairs = []
    with chromium() as browser, BareDaphne() as bare:
        for number in range(rounds):
            pairs.append(Pair(Rest.of(bare.pid), rest_beside_server(folder / f"server-{number}", browser)))
            say(".")
        say("\nAt rest with vLLM ")
        with_engine = rest_with_engine(folder / "engine", browser)
    section = Section("At rest", rest_figures(pairs) + engine_figures(with_engine), [*pairs, with_engine])
    say("\nInstalling ")
    return [section, measure_installation(folder / "installation")]


def rest_beside_server(folder: Path, browser: Browser) -> Rest:
    engine = PacedServer()
    engine.start()
    engine.script(answer_of(300), 250)
    settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": engine.url, "MODEL_NAME": "scripted"}
    try:
        return rest_after_use(folder, browser, **settings)
    finally:
        engine.stop()


def rest_with_engine(folder: Path, browser: Browser) -> Rest:
    return rest_after_use(folder, browser, MODEL_NAME="demo")


def rest_after_use(folder: Path, browser: Browser, **settings: str) -> Rest:
    """After an answer and some pages, while one page is open."""
    context = browser.new_context()
    try:
        with measured_site(folder, context.new_page(), **settings) as (site, measured):
            measured.ask("Hello")
            visitor = Visitor(site)
            path = visitor.newest()
            for _ in range(PAGES):
                visitor.get(path)
            time.sleep(REST_SECONDS)
            assert site.process is not None
            before = cpu_seconds(site.process.pid)
            time.sleep(IDLE_SECONDS)
            spent = cpu_seconds(site.process.pid) - before
            return Rest.of(site.process.pid, spent / IDLE_SECONDS * 100)
    finally:
        context.close()


def rest_figures(pairs: list[Pair]) -> list[Figure]:
    def figure(what: str, name: str, unit: str, peer: str = "") -> Figure:
        bare = [float(getattr(pair.bare, name)) for pair in pairs]
        ours = [float(getattr(pair.ours, name)) for pair in pairs]
        return beside(what, bare, ours, unit, MEMORY_TARGET if name == "pss" else None, peer)

    return [
        figure("Memory of the web process, PSS", "pss", "MiB", "1,171 MiB"),
        figure("Its own alone, USS", "uss", "MiB"),
        figure("Its resident memory, RSS", "rss", "MiB", "1,186 MiB"),
        ours_alone("CPU with one open page, of a core", [pair.ours.cpu_percent for pair in pairs], "%", None, "0.6 %"),
    ]


def engine_figures(rest: Rest) -> list[Figure]:
    return [
        ours_alone("With vLLM inside: the web process, PSS", [rest.pss], "MiB"),
        ours_alone("With vLLM inside: the engine's processes, PSS", [rest.others_pss], "MiB"),
        ours_alone("With vLLM inside: CPU of the web process with one open page", [rest.cpu_percent], "%"),
    ]
