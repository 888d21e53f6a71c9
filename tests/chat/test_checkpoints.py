"""What is saved while an answer is written: text and tokens of one moment, for Continue goes on from the tokens."""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import User

from chat import replies
from chat.live import LiveMessage
from chat.models import Conversation, Message, Role, TokenIdsField
from inference.parser import Channel, Delta, Parser
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


def test_what_is_on_no_page_yet_is_part_of_the_whole() -> None:
    live = LiveMessage(Message(thinking="Hm", text="So"))
    live.take([Delta(Channel.ANALYSIS, "m.", 1), Delta(Channel.FINAL, " far", 1)])
    assert (live.whole().thinking, live.whole().text) == ("Hmm.", "So far")
    assert (live.message.thinking, live.message.text) == ("Hm", "So")
