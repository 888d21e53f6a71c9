"""Whatever a model or a person writes is only text: nothing runs, nothing loads, the page keeps its structure."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db.models import Max, Min
from django.utils import timezone
from playwright.async_api import Page, expect

from chat.markdown.sanitiser import MATH_ATTRIBUTES, MATH_TAGS, PROSE_TAGS
from chat.models import Conversation, Feedback, Preferences, Preset, Role, Status, TokenIdsField
from chat.models.conversation import MOST_MESSAGES
from inference.vocabulary import encode
from tests.browser.conftest import OpenPage, ask, connected, ended
from tests.browser.hostile_outputs import CLOSED, OPEN_ENDED, OUTPUTS, SCRIPTS
from tests.conftest import NewSite
from tests.scripted_server import ScriptedServer, harmony
from tests.site_process import SiteProcess

HUGE = 500
"""Characters; such an output is not streamed, only shown."""

SECONDS_PER_TOKEN = 0.001
NUL = str.maketrans("", "", "\x00")
WATCH = Path(__file__).with_name("hostile_watch.js")
INSPECT = Path(__file__).with_name("hostile_inspect.js").read_text()

PLACES = {
    "#composer": ".dock",
    "#prompt": "#composer",
    "#messages": "#scroller",
    "#scroller": "main",
    ".sidebar": ".site",
    ".site > main": ".site",
    "#conversation-list": ".sidebar",
    ".site": "body",
}

ALLOWED = {
    "tags": sorted(PROSE_TAGS | MATH_TAGS),
    "attributes": sorted(
        set("aria-label checked class data-action disabled href rel start tabindex target title type".split())
        | MATH_ATTRIBUTES
    ),
}


def streamed_groups(chance: random.Random) -> Iterator[str]:
    """The outputs of common length, many in one text; what swallows the rest stands last."""
    closed = [output for output in CLOSED if len(output) < HUGE]
    chance.shuffle(closed)
    for number, ending in enumerate(OPEN_ENDED):
        yield "\n\n".join([*closed[number :: len(OPEN_ENDED)], ending])


def in_pieces(text: str, chance: random.Random) -> list[int]:
    """Token ids that end at random characters, wherever that is in a tag or a link."""
    ids: list[int] = []
    while text:
        length = chance.randint(1, 12)
        ids += encode(text[:length])
        text = text[length:]
    return ids


def written(thinking: str, answer: str, chance: random.Random) -> list[int]:
    begin = harmony("<|channel|>analysis<|message|>")
    turn = harmony("<|end|><|start|>assistant<|channel|>final<|message|>")
    return [*begin, *in_pieces(thinking, chance), *turn, *in_pieces(answer, chance), *harmony("<|return|>")]


def save_all() -> str:
    """Put each output into every place that a text can have; run in the site's own shell.

    Returns, of each conversation that has some of them all, its key and its first and last message's.
    """
    ann = User.objects.get(username="ann")
    ann.is_staff = ann.is_superuser = True
    ann.save()
    texts = [output.translate(NUL) for output in OUTPUTS]
    Preferences.objects.create(user=ann, instructions="\n".join(SCRIPTS))
    for number, text in enumerate(texts):
        titled = Conversation.objects.create(
            owner=ann, title=text[:200], instructions=text, is_pinned=number % 20 == 0, is_archived=number % 20 == 1
        )
        titled.leaf = titled.messages.create(role=Role.USER, text=text)
        titled.save()
        if number % 10 == 0:
            Preset.objects.create(owner=ann, name=f"{number} {text}"[:80], instructions=text)
    Conversation.objects.create(owner=ann, title="".join(SCRIPTS[:3]), deleted_at=timezone.now())
    parts = [texts[start : start + MOST_MESSAGES // 2] for start in range(0, len(texts), MOST_MESSAGES // 2)]
    return "\n".join(_save_turns(ann, part) for part in parts)


def _save_turns(owner: User, texts: list[str]) -> str:
    shown = Conversation.objects.create(owner=owner, title=SCRIPTS[0], instructions="\n".join(SCRIPTS))
    for text in texts:
        _save_turn(shown, text)
    shown.save()
    keys = shown.messages.aggregate(first=Min("pk"), last=Max("pk"))
    return f"{shown.pk} {keys['first']} {keys['last']}"


def _save_turn(conversation: Conversation, text: str) -> None:
    prompt = conversation.messages.create(parent=conversation.leaf, role=Role.USER, text=text)
    ids = TokenIdsField.pack(encode(text[:HUGE]))
    conversation.leaf = conversation.messages.create(
        parent=prompt, role=Role.ASSISTANT, status=Status.FAILED, effort="low", text=text, thinking=text,
        error=text[:500], model=text[:200], prompt_token_ids=ids, token_ids=ids,
    )  # fmt: skip
    Feedback.objects.create(message=conversation.leaf, rating=-1, note=text[:2000])


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedServer]:
    server = ScriptedServer().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def wide_site(engine: ScriptedServer, new_site: NewSite) -> Iterator[SiteProcess]:
    """With room for long prompts."""
    site = new_site(
        ENGINE="vllm-server", VLLM_SERVER_URL=engine.url, MODEL_NAME="scripted",
        MAX_CONTEXT_TOKENS="30000", DEFAULT_MAX_TOKENS="9000",
    )  # fmt: skip
    try:
        yield site.start().wait_ready()
    finally:
        site.stop()


class Watched:
    """A page that records what leaves it and what runs in it."""

    def __init__(self, page: Page, site: SiteProcess) -> None:
        self.page = page
        self.site = site
        self.left: list[str] = []
        page.context.on("request", lambda request: self._note(request.url))
        page.context.on("response", lambda response: self._refused(response.status, response.url))
        page.on("websocket", lambda socket: self._note(socket.url.replace("ws:", "http:", 1)))
        page.context.on("page", lambda opened: self.left.append(f"a window: {opened.url}"))

    def _note(self, url: str) -> None:
        if not url.startswith(f"{self.site.url}/") or "logout" in url:
            self.left.append(url)

    def _refused(self, status: int, url: str) -> None:
        if status >= 400:
            self.left.append(f"{status}: {url}")

    async def open(self, url: str) -> None:
        await self.page.goto(url)
        await connected(self.page)
        await self.page.evaluate("window.children = document.body.children.length")

    async def check(self, where: str, places: dict[str, str] = PLACES) -> None:
        problems = await self.page.evaluate(INSPECT, {"places": places, **ALLOWED})
        assert (problems, self.left) == ([], []), where

    async def answers(self) -> list[str]:
        answers = self.page.locator("article [data-part=answer]")
        html: list[str] = await answers.evaluate_all("all => all.map(each => each.innerHTML)")
        return html


async def test_nothing_that_is_streamed_gets_out(
    wide_site: SiteProcess, engine: ScriptedServer, open_page: OpenPage
) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    page = await open_page(wide_site)
    await page.context.add_init_script(path=WATCH)
    watched = Watched(page, wide_site)
    await watched.open(page.url)
    groups = list(streamed_groups(chance))
    for number, group in enumerate(groups, 1):
        engine.enqueue(written(group, group, chance), seconds_per_token=SECONDS_PER_TOKEN)
        await ask(page, group.translate(NUL))
        await expect(page.locator("article")).to_have_count(2 * number)
        while await page.locator("article[data-status=streaming]").count():
            await watched.check(f"seed {seed}, group {number}, streaming")
            await asyncio.sleep(0.05)
        assert await ended(page, number) == "complete"
        await watched.check(f"seed {seed}, group {number}")
    shown = await watched.answers()
    first = await page.locator("article").first.get_attribute("id") or ""
    await watched.open(f"{page.url}?from={first.removeprefix('message-')}")
    await watched.check(f"seed {seed}, reloaded")
    assert await watched.answers() == shown
    assert await page.locator("article").count() == 2 * len(groups)
    assert await page.locator("body").get_attribute("data-connection") == "open"


async def test_nothing_that_is_saved_gets_out(wide_site: SiteProcess, open_page: OpenPage) -> None:
    saved = wide_site.manage("shell", "-v0", "-c", "from tests.browser import test_hostile as t; print(t.save_all())")
    assert saved.returncode == 0, saved.stderr
    page = await open_page(wide_site)
    await page.context.add_init_script(path=WATCH)
    watched = Watched(page, wide_site)
    count, key, last = 0, "", ""
    for line in saved.stdout.splitlines():
        key, first, last = line.split()
        await watched.open(f"{wide_site.url}/c/{key}/?from={first}")
        count += await page.locator("article").count()
        await expect(page.locator("#notice")).to_contain_text("hacked()")
        await watched.check("the whole conversation")
        await page.locator("details").evaluate_all("all => all.forEach(each => (each.open = true))")
        await watched.check("every block opened")
    assert count == 2 * len(OUTPUTS)
    for place in [
        "/search/?q=hacked",
        "/archived/",
        "/settings/",
        f"/c/{key}/settings/",
        f"/c/{key}/context/{last}/",
        f"/admin/chat/conversation/{key}/change/",
        "/admin/chat/feedback/",
        "/admin/chat/message/",
    ]:
        response = await page.goto(f"{wide_site.url}{place}")
        assert response is not None
        assert response.status == 200, place
        assert "hacked()" in await page.locator("body").inner_text(), place
        await watched.check(place, {})
