"""What is saved while an answer is written: text and tokens of one moment, for Continue goes on from the tokens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from chat import replies
from chat.live import LiveMessage
from chat.models import Conversation, Message, Role, Status, TokenIdsField
from chat.replies import Reply
from inference.parser import Channel, Delta, Parser
from inference.reader import Reader
from tests.chat.conftest import until
from tests.chat.open_page import page_of
from tests.scripted_server import ScriptedServer, reply

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = " ".join(f"word{number}" for number in range(400))


def texts_of(token_ids: list[int]) -> tuple[str, str]:
    deltas = Parser().feed(token_ids)
    return (
        "".join(delta.text for delta in deltas if delta.channel is Channel.ANALYSIS),
        "".join(delta.text for delta in deltas if delta.channel is Channel.FINAL),
    )


async def test_text_and_tokens_are_of_one_moment(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "CHECKPOINT_SECONDS", 0.02)
    scripted.enqueue(reply("Let me count. " * 20, ANSWER), seconds_per_token=0.001)
    moments = 0
    async with page_of(ann, conversation) as page:
        await page.ask("Count.")
        await page.until('data-status="streaming"')
        while True:
            saved = await conversation.messages.aget(role=Role.ASSISTANT)
            written = TokenIdsField.unpack(saved.token_ids)
            assert (saved.thinking, saved.text) == texts_of(written)
            moments += bool(written)
            if not saved.is_streaming:
                break
            await asyncio.sleep(0.01)
    assert moments > 5


async def test_what_came_before_the_message_was_there_is_left_out(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine begins while the prompt is saved; a server that ends then saves no token without its text."""
    read = threading.Event()
    monkeypatch.setattr(Reader, "read", _told(Reader.read, read))
    monkeypatch.setattr(Reply, "_beginning", _interrupted(read))
    scripted.enqueue(reply("Let me count.", "One."), seconds_per_token=0.01)
    async with page_of(ann, conversation) as page:
        await page.ask("Count.")
        await until(lambda: read.is_set())
        while (saved := await conversation.messages.filter(role=Role.ASSISTANT).afirst()) is None or saved.is_streaming:
            await asyncio.sleep(0.01)
    assert saved.status == Status.INTERRUPTED
    assert (saved.thinking, saved.text) == texts_of(TokenIdsField.unpack(saved.token_ids)) == ("", "")


def _told(read: Callable[[Reader, list[int]], list[Delta]], event: threading.Event) -> Callable[..., list[Delta]]:
    def reading(reader: Reader, token_ids: list[int]) -> list[Delta]:
        deltas = read(reader, token_ids)
        if deltas:
            event.set()
        return deltas

    return reading


def _interrupted(event: threading.Event) -> Callable[[Reply], object]:
    beginning = Reply._beginning

    def begin(self: Reply) -> object:
        assert event.wait(20)
        self.interrupt()
        return beginning(self)

    return begin


def test_what_is_on_no_page_yet_is_part_of_the_whole() -> None:
    live = LiveMessage(Message(thinking="Hm", text="So"))
    live.take([Delta(Channel.ANALYSIS, "m.", 1), Delta(Channel.FINAL, " far", 1)])
    assert (live.whole().thinking, live.whole().text) == ("Hmm.", "So far")
    assert (live.message.thinking, live.message.text) == ("Hm", "So")
