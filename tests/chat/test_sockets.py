from __future__ import annotations

import asyncio
import json
import re
import threading
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import AsyncClient
from pytest_django import Settings

from chat import broadcast, replies, turns
from chat.models import Conversation, Message, Status
from chat.routing import sockets
from inference.gate import get_gate
from inference.supervisor import get_supervisor
from tests.chat.conftest import until
from tests.chat.open_page import answer_of, page_of, scope_of
from tests.document import shown
from tests.scripted_server import ScriptedServer, harmony, reply

pytestmark = pytest.mark.django_db(transaction=True)


async def refused(user: User | AnonymousUser, pk: object) -> int:
    socket = WebsocketCommunicator(sockets, f"/ws/c/{pk}/")
    socket.scope |= await scope_of(user)  # type: ignore[typeddict-item]
    await socket.connect()
    event = await socket.receive_output(timeout=5)
    await socket.disconnect()
    return int(event["code"])


async def test_anonymous_and_strangers_are_refused(
    scripted: ScriptedServer, conversation: Conversation, bob: User
) -> None:
    assert await refused(AnonymousUser(), conversation.pk) == 4401
    assert await refused(bob, conversation.pk) == 4404
    assert await refused(bob, uuid4()) == 4404


async def test_an_answer_streams_and_is_saved(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    scripted.enqueue(reply("Let me add.", "2 + 2 is <4>."), seconds_per_token=0.02)
    async with page_of(ann, conversation) as page:
        await page.ask("What is 2 + 2?")
        await page.until('id="prompt-key"')
        end = await page.until('assistant" data-status="complete"')
    assert "What is 2 + 2?" in page.html
    assert re.search(r'<details id="message-\d+-thinking"[^>]* open', page.html)
    assert not re.search(r"<details[^>]* open", end)
    assert "2 + 2 is &lt;4&gt;." in end
    answer = await answer_of(conversation)
    assert (answer.status, answer.thinking, answer.text) == (Status.COMPLETE, "Let me add.", "2 + 2 is <4>.")
    assert answer.token_ids == Message.token_ids.field.pack(reply("Let me add.", "2 + 2 is <4>."))
    assert answer.thinking_tokens == 4
    assert answer.first_token_seconds is not None
    await conversation.arefresh_from_db()
    assert conversation.title == "What is 2 + 2?"


RICH = """A list:

- one with **strong** words
- two with `code`

| a | b |
|---|--:|
| 1 | $x^2$ |
| 2 | & |
| 3 | <b> |

```python
print("Hello")
```

The end.
"""


async def test_what_is_appended_adds_up_to_the_answer(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    hold = threading.Event()
    text = RICH * 4
    ids = reply("", text)
    scripted.enqueue(ids, seconds_per_token=0.005, hold=hold, hold_at=len(ids) - 2)
    async with page_of(ann, conversation) as page:
        await page.ask("Go on")
        await page.until('data-status="streaming"')
        while (streamed := page.document.where("data-part", "answer")[0].text).count("The end") < 4:
            await page.until("")
        assert shown(text).startswith(streamed.strip())
        hold.set()
        await page.until('assistant" data-status="complete"')
    (answer,) = page.document.where("data-part", "answer")
    assert answer.text.strip() == shown(text)
    assert len(page.frames) > 10


async def test_every_open_page_shows_it(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    scripted.enqueue(reply("", "Seen by both."), seconds_per_token=0.02)
    async with page_of(ann, conversation) as first, page_of(ann, conversation) as second:
        await first.ask("Hello")
        for page in (first, second):
            assert "Seen by both." in await page.until('assistant" data-status="complete"')
    assert 'id="prompt-key"' not in second.html


async def test_a_page_opened_in_mid_answer_goes_on_live(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    hold = threading.Event()
    scripted.enqueue(reply("", "The beginning and the end."), hold=hold, seconds_per_token=0.001)
    async with page_of(ann, conversation) as first:
        await first.ask("Hello")
        await first.until('data-status="streaming"')
        async with page_of(ann, conversation) as late:
            await late.until(r'<article[^>]*data-status="streaming"[^>]*hx-swap-oob')
            hold.set()
            assert "The beginning and the end." in await late.until('assistant" data-status="complete"')


async def test_the_answer_outlives_its_page(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    hold = threading.Event()
    scripted.enqueue(reply("", "Written to nobody."), hold=hold)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until('data-status="streaming"')
    hold.set()

    async with asyncio.timeout(10):
        while (await answer_of(conversation)).status == Status.STREAMING:
            await asyncio.sleep(0.01)
    assert (await answer_of(conversation)).text == "Written to nobody."


async def test_stop_keeps_partial_text(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    scripted.enqueue(reply("", "one two three four five six " * 200), seconds_per_token=0.01)
    async with page_of(ann, conversation) as page:
        await page.ask("Count")
        await page.until("innerHTML:#message-[0-9]+-open")
        await page.stop((await answer_of(conversation)).pk)
        end = await page.until('assistant" data-status="stopped"')
    await until(lambda: scripted.dropped == 1)
    answer = await answer_of(conversation)
    assert answer.status == Status.STOPPED
    assert answer.text.startswith("one")
    assert answer.text in end
    assert not get_gate().is_full


async def test_nobody_else_can_stop_it(
    scripted: ScriptedServer, ann: User, bob: User, conversation: Conversation
) -> None:
    hold = threading.Event()
    scripted.enqueue(reply("", "Not stopped."), hold=hold)
    others = await Conversation.objects.acreate(owner=bob)
    async with page_of(ann, conversation) as page, page_of(bob, others) as stranger:
        await page.ask("Hello")
        await page.until('data-status="streaming"')
        await stranger.stop((await answer_of(conversation)).pk)
        await stranger.ask("Busy?")
        await stranger.until("busy with another")
        hold.set()
        await page.until('assistant" data-status="complete"')


async def test_busy_is_told_keeps_the_text_and_ends(
    scripted: ScriptedServer, ann: User, bob: User, conversation: Conversation
) -> None:
    hold = threading.Event()
    scripted.enqueue(reply("", "First."), hold=hold)
    others = await Conversation.objects.acreate(owner=bob)
    async with page_of(ann, conversation) as page, page_of(bob, others) as waiting:
        await page.ask("Hello")
        await page.until('data-status="streaming"')
        await waiting.ask("Me too")
        assert 'role="alert"' in await waiting.until("busy with another answer")
        assert 'id="prompt-key"' not in waiting.html
        assert await others.messages.acount() == 0
        hold.set()
        await waiting.until("free again")
        await waiting.ask("Me too")
        await waiting.until('assistant" data-status="complete"')


async def test_half_a_character_is_replaced(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    async with page_of(ann, conversation) as page:
        await page.socket.send_to(text_data='{"prompt": "a\\ud800b"}')
        await page.until('assistant" data-status="complete"')
    prompt = await conversation.messages.order_by("pk").afirst()
    assert prompt is not None
    assert prompt.text == "a\ufffdb"


async def test_logging_out_ends_the_socket(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    async with page_of(ann, conversation) as page:
        await Session.objects.all().adelete()
        await page.ask("Still here?")
        event = await page.socket.receive_output(timeout=5)
    assert event == {"type": "websocket.close", "code": 4401}
    assert await conversation.messages.acount() == 0


async def test_a_disabled_person_s_socket_ends(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    async with page_of(ann, conversation) as page:
        await User.objects.filter(pk=ann.pk).aupdate(is_active=False)
        await page.ask("Still here?")
        assert (await page.socket.receive_output(timeout=5))["code"] == 4401


async def test_a_prompt_the_engine_refuses_ends_with_its_reason(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    scripted.refusal = "the prompt has too many input tokens"
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        end = await page.until('assistant" data-status="failed"')
    assert "too many input tokens" in end
    assert not get_gate().is_full


async def test_a_smaller_window_of_the_engine_cuts_the_history(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    facts = get_supervisor().facts
    assert facts is not None
    facts.max_model_len = 600
    end = ""
    async with page_of(ann, conversation) as page:
        for number in range(3):
            await page.ask(f"prompt {number} " + "word " * 300)
            end = await page.until('assistant" data-status="complete"')
            assert (await answer_of(conversation)).prompt_tokens < 600
    assert "did not see" in end


async def test_an_error_of_ours_is_an_outcome_and_not_a_hanging_page(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("inference.generation.Generation._note", broken)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        end = await page.until('assistant" data-status="failed"')
    assert "by an error of the server" in end
    assert not get_gate().is_full


async def test_a_database_that_fails_for_a_moment_loses_nothing(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, failures = turns.save, iter([OperationalError("database is locked")] * 2)

    def flaky(message: Message, token_ids: list[int]) -> None:
        for error in failures:
            raise error
        save(message, token_ids)

    monkeypatch.setattr(turns, "save", flaky)
    monkeypatch.setattr(replies, "SAVE_AGAIN_SECONDS", 0.01)
    scripted.enqueue(reply("", "Not lost."))
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until('assistant" data-status="complete"')
        await until(lambda: not replies._running)
    assert (await answer_of(conversation)).text == "Not lost."


async def test_deleting_a_running_conversation_frees_the_engine(
    scripted: ScriptedServer, ann: User, conversation: Conversation, async_client: AsyncClient
) -> None:
    scripted.enqueue(reply("", "word " * 900), seconds_per_token=0.01)
    await async_client.aforce_login(ann)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until("innerHTML:#message-[0-9]+-open")
        response = await async_client.post(f"/c/{conversation.pk}/delete/")
        assert response.status_code == 302
        await until(lambda: not get_gate().is_full)
    assert not await Conversation.objects.for_user(ann).aexists()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("not json", "not understood"),
        ("[1, 2]", "not understood"),
        ('{"prompt": "  \\n "}', "Write something first."),
        ('{"effort": "low"}', "Write something first."),
        ('{"prompt": "Hi", "effort": "huge"}', "it must be low, medium or high"),
        (json.dumps({"prompt": "x" * 64_001}), "64,001 characters, at most 64,000"),
        (json.dumps({"prompt": "word " * 3000}), "and at most 2,000 fit"),
    ],
)
async def test_bad_input_is_told_and_nothing_is_saved(
    scripted: ScriptedServer, ann: User, conversation: Conversation, data: str, told: str
) -> None:
    async with page_of(ann, conversation) as page:
        await page.socket.send_to(text_data=data)
        assert 'role="alert"' in await page.until(re.escape(told))
    assert await conversation.messages.acount() == 0
    assert not get_gate().is_full


@pytest.mark.parametrize(
    ("ids", "status", "thinking", "text"),
    [
        ("No header at all.<|return|>", "complete", "", "No header at all."),
        ("<|channel|>banana<|message|>Odd.<|return|>", "complete", "", "Odd."),
        (
            "<|channel|>analysis<|message|>Hm.<|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
            "complete",
            "Hm.",
            "Yes.",
        ),
        ("<|channel|>analysis<|message|>Only thoughts.<|end|><|return|>", "complete", "Only thoughts.", ""),
        ("", "failed", "", ""),
        ("<|return|>", "failed", "", ""),
        ("<|channel|>final<|message|>a <|endoftext|>b<|message|> c<|return|>", "complete", "", "a b c"),
    ],
)
async def test_malformed_streams_end_in_a_defined_outcome(
    scripted: ScriptedServer,
    ann: User,
    conversation: Conversation,
    ids: str,
    status: str,
    thinking: str,
    text: str,
) -> None:
    scripted.enqueue(harmony(ids))
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        end = await page.until('data-role="assistant" data-status="(complete|failed)"')
    answer = await answer_of(conversation)
    assert (answer.status, answer.thinking, answer.text.strip()) == (status, thinking, text)
    assert "<|" not in end
    assert "&lt;|" not in end
    assert text or "note" in end


async def test_the_history_is_sent_without_thinking(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    scripted.enqueue(reply("Secret thought.", "Blue."))
    scripted.enqueue(reply("", "Yes."))
    async with page_of(ann, conversation) as page:
        for prompt in ("Which colour?", "Sure?"):
            await page.ask(prompt)
            await page.until('assistant" data-status="complete"')
    ids = scripted.requests[1]["prompt"]
    assert isinstance(ids, list)
    from inference.harmony import visible_prompt

    sent = visible_prompt(ids)
    assert (
        "Which colour?<|end|><|start|>assistant<|channel|>final<|message|>Blue.<|end|><|start|>user<|message|>Sure?"
        in sent
    )
    assert "Secret" not in sent
    assert "Reasoning: low" in sent
    assert scripted.requests[1]["max_tokens"] == 1000


async def test_whole_turns_beyond_the_context_are_left_out_oldest_first(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    end = ""
    async with page_of(ann, conversation) as page:
        for number in range(4):
            scripted.enqueue(reply("", f"answer {number}"))
            await page.ask(f"prompt {number} " + "word " * 900)
            end = await page.until('assistant" data-status="complete"')
    assert "did not see the 2 oldest turns" in end
    answer = await answer_of(conversation)
    assert answer.dropped_turns == 2
    assert answer.prompt_tokens <= 2000
    from inference.harmony import visible_prompt

    ids = scripted.requests[-1]["prompt"]
    assert isinstance(ids, list)
    sent = visible_prompt(ids)
    assert "prompt 2" in sent
    assert "prompt 1" not in sent
    assert "answer 1" not in sent


async def test_a_gap_is_closed_by_a_snapshot(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel layer drops frames without a word: here every third one."""
    publish = broadcast.publish

    async def leaky(conversation_id: object, event: broadcast.Frame) -> None:
        if event["type"] == "snapshot" or event["sequence"] % 3:
            await publish(conversation_id, event)  # type: ignore[arg-type]

    monkeypatch.setattr(broadcast, "publish", leaky)
    text = "word " * 400
    scripted.enqueue(reply("", text), seconds_per_token=0.003)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        end = await page.until('assistant" data-status="complete"')
    assert text.strip() in end
    assert re.search(r'data-status="streaming"[^>]* hx-swap-oob="true"', page.html), "a snapshot came"
    (answer,) = page.document.where("data-part", "answer")
    assert answer.text.strip() == text.strip()


@database_sync_to_async
def _count() -> int:
    return Message.objects.count()


async def test_a_conversation_answers_one_prompt_at_a_time(
    scripted: ScriptedServer, ann: User, conversation: Conversation, settings: Settings
) -> None:
    settings.MAX_CONCURRENT_GENERATIONS = 2
    get_gate.cache_clear()
    hold = threading.Event()
    scripted.default.hold = hold
    async with page_of(ann, conversation) as first, page_of(ann, conversation) as second:
        await first.ask("One")
        await first.until('data-status="streaming"')
        await second.ask("Two")
        await second.until("busy with an answer in this conversation")
        hold.set()
        await first.until('assistant" data-status="complete"')
    assert await _count() == 2
