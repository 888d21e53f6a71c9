"""One answer before many open pages: of the site, and of a server that only sends the same frames."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx

from inference.parser import Parser
from tests.bench.bare_daphne import BareDaphne
from tests.bench.measured_site import SavedAnswer, cpu_seconds
from tests.bench.paced_server import MARKDOWN, PacedServer, answer_of
from tests.bench.shown_text import shown_after, shown_of
from tests.bench.visitor import Visitor
from tests.bench.watching import Sights, Watchers
from tests.site_process import SiteProcess

THINKING_TOKENS, ANSWER_TOKENS, PER_SECOND = 100, 900, 200.0
"""At this pace none of the 20 frames a second is empty."""
FRAMES_PER_SECOND = 20
SAVING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Run:
    """One answer before so many pages.

    `cpu_seconds` are the web process's from the prompt to the end, the reply's own included.
    `late_seconds`: from the engine's last token to the end of the answer at the last page.
    """

    watchers: int
    frames: int
    bytes: int
    slowest_frames_per_second: float
    seconds: float
    late_seconds: float
    cpu_seconds: float
    load: float

    @classmethod
    def of(cls, sights: Sights, ended: float, spent: float) -> Run:
        pages = sights.pages
        return cls(
            watchers=len(pages),
            frames=pages[0].frames,
            bytes=pages[0].bytes,
            slowest_frames_per_second=min(page.frames_per_second for page in pages),
            seconds=pages[0].last_time - pages[0].first_time,
            late_seconds=max(page.last_time for page in pages) - ended,
            cpu_seconds=spent,
            load=os.getloadavg()[0],
        )

    @property
    def cpu_per_watcher_frame(self) -> float:
        return self.cpu_seconds / self.frames / self.watchers

    @property
    def cores(self) -> float:
        """That it takes to send 20 frames a second to each."""
        return self.cpu_seconds / self.frames * FRAMES_PER_SECOND


@dataclass(frozen=True, slots=True)
class WatchedSite:
    site: SiteProcess
    engine: PacedServer
    visitor: Visitor

    def run(self, watchers: int) -> tuple[Run, list[str]]:
        """Returns the frames of one page, too."""
        assert self.site.process is not None
        path = self.visitor.new_conversation()
        token_ids = answer_of(ANSWER_TOKENS, MARKDOWN, THINKING_TOKENS)
        self.engine.script(token_ids, PER_SECOND)
        page = self.visitor.get(path).text
        with watching(*self.visitor.socket_of(path), watchers) as pages:
            before = cpu_seconds(self.site.process.pid)
            self.visitor.post(f"{path}prompt/", prompt="Go on", effort="low", edits="", key=uuid4().hex)
            saved = self._saved()
            sights = pages.stop()
            spent = cpu_seconds(self.site.process.pid) - before
        check(page, sights, saved, token_ids)
        return Run.of(sights, self.engine.timeline.times[-1], spent), sights.frames

    def _saved(self) -> SavedAnswer:
        """The last answer, once it has ended."""
        database = self.site.folder / "db.sqlite3"
        deadline = time.monotonic() + SAVING_SECONDS
        while time.monotonic() < deadline:
            time.sleep(0.25)
            with closing(sqlite3.connect(database, timeout=20)) as connection:
                (last, status) = connection.execute("SELECT id, status FROM chat_message ORDER BY id DESC").fetchone()
            if status != "streaming":
                return SavedAnswer.load(database, last)
        raise RuntimeError("The answer did not end.")


@contextmanager
def watched_site(folder: Path, **settings: str) -> Iterator[WatchedSite]:
    folder.mkdir()
    engine = PacedServer()
    engine.start()
    own = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": engine.url, "MODEL_NAME": "scripted"}
    own |= {"DEFAULT_MAX_TOKENS": str(2 * (THINKING_TOKENS + ANSWER_TOKENS))}
    site = SiteProcess(folder, MAX_SOCKETS_PER_USER="5000", **own, **settings).prepare()
    try:
        site.start().wait_ready()
        yield WatchedSite(site, engine, Visitor(site))
    finally:
        site.stop()
        engine.stop()


@contextmanager
def watching(address: str, headers: dict[str, str], count: int) -> Iterator[Watchers]:
    watchers = Watchers(address, headers, count)
    try:
        yield watchers
    finally:
        watchers.kill()


def check(page: str, sights: Sights, saved: SavedAnswer, token_ids: list[int]) -> None:
    """Every page has had every frame, and what it then shows and what is saved is what was written."""
    written = "".join(delta.text for delta in Parser().feed(token_ids))
    if saved.token_ids != token_ids or saved.thinking + saved.text != written:
        raise RuntimeError("What was saved is not what the engine sent.")
    if len({sight.digest for sight in sights.pages}) != 1:
        raise RuntimeError("Not all pages had the same frames.")
    wholes = [number for number, frame in enumerate(sights.frames) if "<article" in frame]
    if wholes != [0, len(sights.frames) - 1]:
        raise RuntimeError("A page had lost frames: it was shown the whole answer before its end.")
    if shown_after(page, sights.frames) != (saved.thinking.strip(), shown_of(saved.html)):
        raise RuntimeError("What is shown is not what was saved.")


def run_bare(bare: BareDaphne, frames: Sequence[str], seconds: float, watchers: int) -> Run:
    """The same frames over the same time."""
    with watching(bare.url + "/", {}, watchers) as pages:
        before = cpu_seconds(bare.pid)
        content = {"frames": frames, "seconds": seconds}
        httpx.post(bare.url, json=content, trust_env=False, timeout=SAVING_SECONDS).raise_for_status()
        ended = time.time()
        sights = pages.stop()
        spent = cpu_seconds(bare.pid) - before
    if any(sight.frames != len(frames) for sight in sights.pages) or sights.frames != frames:
        raise RuntimeError("The bare server has lost frames.")
    return Run.of(sights, ended, spent)
