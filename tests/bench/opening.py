"""How long a conversation takes to open, by its length: from the click to its last answer on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.bench.figures import Figure, Target, ratio
from tests.bench.page import WatchedPage
from tests.site_process import SiteProcess

SHORT, LONG = 20, 1000
OPENING_TARGET = Target(1.5, is_floor=False)

FILL = """
from django.contrib.auth.models import User
from chat.models import Message
owner = User.objects.get(username="ann")
code = "```python\\nprint(1)\\n```"
answer = f"A list of **{length}**:\\n\\n- one `word`\\n- two\\n\\n{{code}}\\n\\n" + "Some words more. " * 20
conversation = owner.conversations.create(title="Of {length} messages")
parent = None
for number in range({length} // 2):
    values = {{"conversation": conversation, "model": "scripted", "answer_tokens": 120, "total_seconds": 2.0}}
    parent = Message.objects.create(conversation=conversation, role="user", text=f"Prompt {{number}}", parent=parent)
    parent = Message.objects.create(role="assistant", text=f"{{answer}} {{number}}", parent=parent, **values)
conversation.leaf = parent
conversation.save()
print(conversation.pk)
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """Milliseconds from the navigation's begin; `page_milliseconds` until the server's answer was whole."""

    messages: int
    page_milliseconds: float
    shown_milliseconds: float


@dataclass(frozen=True, slots=True)
class Openings:
    page: Page
    addresses: dict[int, str]

    def open(self, messages: int) -> Opening:
        page = self.page
        page.goto(self.addresses[messages])
        page.wait_for_selector("body[data-connection=open]")
        times = page.evaluate(
            """() => {
                const [entry] = performance.getEntriesByType("navigation");
                const [paint] = performance.getEntriesByName("first-contentful-paint");
                return [entry.responseEnd, Math.max(entry.domContentLoadedEventEnd, paint?.startTime ?? 0)];
            }"""
        )
        shown = page.locator("#messages > article").last.inner_text()
        if str(messages // 2 - 1) not in shown:
            raise RuntimeError("The last answer is not on the page.")
        return Opening(messages, *times)

    def rounds(self, count: int, on_round: Callable[[], None]) -> Iterator[Opening]:
        """Both lengths in turn, the first of each thrown away."""
        for number in range(count + 1):
            for messages in (SHORT, LONG) if number % 2 else (LONG, SHORT):
                opening = self.open(messages)
                if number:
                    yield opening
            on_round()


@contextmanager
def openings(folder: Path, page: Page) -> Iterator[Openings]:
    folder.mkdir()
    settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": "http://127.0.0.1:9", "MODEL_NAME": "scripted"}
    site = SiteProcess(folder, **settings).prepare()
    try:
        site.start()
        WatchedPage(page, site)
        yield Openings(page, {length: f"{site.url}/c/{_fill(site, length)}/" for length in (SHORT, LONG)})
    finally:
        site.stop()


def _fill(site: SiteProcess, length: int) -> str:
    done = site.manage("shell", "-v0", "-c", FILL.format(length=length))
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


def opening_figures(runs: list[Opening]) -> list[Figure]:
    short = [run for run in runs if run.messages == SHORT]
    long = [run for run in runs if run.messages == LONG]

    def beside(what: str, name: str) -> Figure:
        bare, ours = ([float(getattr(run, name)) for run in side] for side in (short, long))
        return ratio(what, bare, ours, "ms", OPENING_TARGET)

    return [
        beside(f"The page served whole: {LONG:,} messages beside {SHORT}", "page_milliseconds"),
        beside(f"Its last answer shown: {LONG:,} messages beside {SHORT}", "shown_milliseconds"),
    ]
