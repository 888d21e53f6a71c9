"""A site whose answers are measured at the page, in its database and in its process."""

from __future__ import annotations

import sqlite3
import time
from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
from playwright.sync_api import Page

from inference.parser import Channel, Parser
from tests.bench.page import Sighting, WatchedPage
from tests.bench.timeline import Positions
from tests.bench.visitor import Visitor
from tests.site_process import SiteProcess

LOOK_SECONDS = 0.2


def cpu_seconds(pid: int) -> float:
    """User and system time of that process with its threads, without its children; in steps of 10 ms."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def browser_cpu_seconds() -> float:
    """The same of all of Chromium's processes."""
    processes = psutil.Process().children(recursive=True)
    return sum(cpu_seconds(each.pid) for each in processes if each.name().startswith("chrom"))


def newest_message(database: Path) -> int:
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        return int(connection.execute("SELECT max(id) FROM chat_message").fetchone()[0])


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """What the database has of it; the seconds count from the web process's request to the engine."""

    status: str
    thinking: str
    text: str
    html: str
    prompt_ids: list[int]
    token_ids: list[int]
    first_token_seconds: float
    total_seconds: float

    @classmethod
    def load(cls, database: Path, message: int) -> SavedAnswer:
        texts, numbers = "status, thinking, text, html", "first_token_seconds, total_seconds"
        query = f"SELECT {texts}, prompt_token_ids, token_ids, {numbers} FROM chat_message WHERE id = ?"
        with closing(sqlite3.connect(database, timeout=20)) as connection:
            status, thinking, text, html, *packed, first, total = connection.execute(query, [message]).fetchone()
        prompt_ids, token_ids = (array("I", ids).tolist() for ids in packed)
        return cls(status, thinking, text, html, prompt_ids, token_ids, first, total)

    @property
    def tokens_per_second(self) -> float:
        """As the web process received them."""
        return (len(self.token_ids) - 1) / (self.total_seconds - self.first_token_seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it was seen and as it was saved."""

    sighting: Sighting
    saved: SavedAnswer
    cpu_seconds: float
    browser_cpu_seconds: float

    @property
    def tokens_per_second(self) -> float:
        """From the first text on the page to the last; what the first showing brought does not count."""
        positions = Positions.of(self.saved.token_ids)
        shown_first = positions.showing(self.sighting.texts[0][1])
        seconds = self.sighting.last_text_time - self.sighting.first_text_time
        return (positions.last - shown_first) / seconds

    def check(self, rendered: str) -> None:
        """What was written, saved and shown must be one; `rendered` is the saved answer as a browser reads it."""
        deltas = Parser().feed(self.saved.token_ids)
        said = {channel: "".join(delta.text for delta in deltas if delta.channel is channel) for channel in Channel}
        texts = {
            "thinking": (said[Channel.ANALYSIS], self.saved.thinking, self.sighting.thinking),
            "answer": (said[Channel.FINAL], self.saved.text),
            "answer on the page": (rendered, self.sighting.answer),
            "status": (self.saved.status, self.sighting.status),
        }
        for name, (first, *others) in texts.items():
            if any(other != first for other in others):
                raise RuntimeError(f"Message {self.sighting.message}: the {name} is not the same everywhere.")


FILL = """
from django.contrib.auth.models import User
owner = User.objects.get(username="ann")
for number in range({count}):
    conversation = owner.conversations.create(title=f"An earlier conversation, number {{number}}")
    conversation.leaf = conversation.messages.create(role="user", text="Hello")
    conversation.save()
"""


class MeasuredSite:
    def __init__(self, site: SiteProcess, page: WatchedPage) -> None:
        self._site = site
        self._page = page

    def ask(self, prompt: str, effort: str = "low") -> Answer:
        """Raises RuntimeError where the text that is shown or saved is not the text that was written."""
        assert self._site.process is not None
        pid = self._site.process.pid
        self._page.type(prompt, effort)
        before, browser_before = cpu_seconds(pid), browser_cpu_seconds()
        sighting = self._page.press_enter()
        spent, browser_spent = cpu_seconds(pid) - before, browser_cpu_seconds() - browser_before
        saved = SavedAnswer.load(self._site.folder / "db.sqlite3", sighting.message)
        answer = Answer(sighting, saved, spent, browser_spent)
        answer.check(self._page.watch.text_of(saved.html))
        return answer

    def ask_unseen(self, prompt: str, effort: str) -> SavedAnswer:
        """While no page is open."""
        self._page.leave()
        visitor = Visitor(self._site)
        path = visitor.new_conversation()
        visitor.post(f"{path}prompt/", prompt=prompt, effort=effort, edits="", key=uuid4().hex)
        database = self._site.folder / "db.sqlite3"
        newest = newest_message(database)
        while (saved := SavedAnswer.load(database, newest)).status == "streaming":
            time.sleep(LOOK_SECONDS)
        self._page.open()
        return saved

    def restart(self) -> None:
        self._site.stop()
        self._site.start().wait_ready()
        self._page.open()

    def add_conversations(self, count: int) -> None:
        """Give the person that many earlier conversations."""
        done = self._site.manage("shell", "-v0", "-c", FILL.format(count=count))
        if done.returncode != 0:
            raise RuntimeError(done.stderr)


@contextmanager
def measured_site(folder: Path, page: Page, **settings: str) -> Iterator[tuple[SiteProcess, MeasuredSite]]:
    """A site of its own, started and ready."""
    folder.mkdir()
    site = SiteProcess(folder, **settings).prepare()
    try:
        site.start().wait_ready()
        yield site, MeasuredSite(site, WatchedPage(page, site))
    finally:
        site.stop()
