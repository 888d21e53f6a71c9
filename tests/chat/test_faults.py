"""What can break under a running answer; the engine is scripted, the faults are real connections that end or hang."""

from __future__ import annotations

import asyncio
import re
import threading
from datetime import timedelta
from typing import cast

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from chat import broadcast, consumers, fragments, recovery, replies, turns
from chat.models import Conversation, Message, Role, Status, TokenIdsField
from inference import generation
from inference.gate import get_gate
from inference.supervisor import get_supervisor
from tests.chat.conftest import until
from tests.chat.open_page import answer_of, page_of
from tests.scripted_server import ScriptedServer, harmony, reply

pytestmark = pytest.mark.django_db(transaction=True)

DONE = 'assistant" data-status="complete"'
FAILED = 'assistant" data-status="failed"'
HALF = harmony("<|channel|>final<|message|>Half an ans")


@pytest.fixture(autouse=True)
def quick_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "RECOVERY_SECONDS", 0.05)


async def test_an_answer_outlives_its_engine(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    scripted.enqueue(HALF, finish_reason=None)
    scripted.enqueue(harmony("wer"), finish_reason=None)
    scripted.enqueue(harmony(", whole.<|return|>"))
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        assert "Half an answer, whole." in await page.until(DONE)
    answer = await answer_of(conversation)
    assert (answer.text, answer.error) == ("Half an answer, whole.", "")
    prompts = [cast(list[int], request["prompt"]) for request in scripted.requests]
    assert prompts[1] == prompts[0] + HALF
    assert prompts[2] == prompts[1] + harmony("wer")
    assert [request["max_tokens"] for request in scripted.requests][1] == 1000 - len(HALF)


async def test_an_engine_that_dies_again_and_again_leaves_its_words_and_a_reason(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    for _ in range(3):
        scripted.enqueue(HALF, finish_reason=None)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        end = await page.until(FAILED)
        assert "broke off" in end
        assert 'data-action="continue"' in end
        assert not get_gate().is_full
        scripted.enqueue(harmony("wer.<|return|>"))
        await page.act("continue", (await answer_of(conversation)).pk)
        await page.until(DONE)
    assert (await answer_of(conversation)).text.endswith("Half an answer.")
    assert len(scripted.requests) == 4


async def test_an_engine_that_answers_500(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    for _ in range(3):
        scripted.enqueue([], status=500)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(FAILED)
        assert not get_gate().is_full
        await page.act("regenerate", (await answer_of(conversation)).pk)
        await page.until(DONE)
    assert await conversation.messages.filter(role=Role.USER).acount() == 1


@pytest.mark.parametrize("written", [0, len(HALF)], ids=["no first token", "no next token"])
async def test_a_silent_engine_is_given_up_with_its_words_kept(
    scripted: ScriptedServer, ann: User, conversation: Conversation, settings: Settings, written: int
) -> None:
    settings.FIRST_TOKEN_TIMEOUT = settings.NEXT_TOKEN_TIMEOUT = 1
    hold = threading.Event()
    scripted.enqueue([*HALF, *HALF], hold=hold, hold_at=written)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        assert "wrote nothing for 1 seconds" in await page.until(FAILED)
        assert not get_gate().is_full
        await until(lambda: scripted.dropped == 1)
        answer = await answer_of(conversation)
        assert answer.text == ("Half an ans" if written else "")
        assert answer.can_continue == bool(written)
        await asyncio.to_thread(get_supervisor().wait_ready, 20)
        await page.ask("Hello again")
        await page.until(DONE)


async def test_stop_ends_the_wait_for_an_engine_that_died(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "RECOVERY_SECONDS", 3600)
    scripted.enqueue(HALF, finish_reason=None)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until_written("Half an ans")
        answer = await answer_of(conversation)
        reply_ = next(iter(replies._running))
        await until(lambda: reply_.generation is not None and reply_.generation._waiting is not None)
        await page.stop(answer.pk)
        await page.until('assistant" data-status="stopped"')
    assert (await answer_of(conversation)).text == "Half an ans"
    assert not get_gate().is_full


async def test_a_server_that_is_gone_for_good_is_given_up_in_time(
    scripted: ScriptedServer, ann: User, conversation: Conversation, settings: Settings
) -> None:
    settings.FIRST_TOKEN_TIMEOUT = 2
    hold = threading.Event()
    scripted.enqueue([*HALF, *HALF], hold=hold, hold_at=len(HALF))
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until_written("Half an ans")
        await asyncio.to_thread(scripted.stop)
        await page.until(FAILED)
    answer = await answer_of(conversation)
    assert answer.text == "Half an ans"
    assert answer.error
    assert not get_gate().is_full


async def test_a_server_that_comes_back_goes_on(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    scripted.enqueue([*HALF, *HALF], hold=threading.Event(), hold_at=len(HALF))
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until_written("Half an ans")
        port = scripted.port
        await asyncio.to_thread(scripted.stop)
        await until(lambda: get_supervisor().status.state == "failed")
        scripted.enqueue(harmony("wer.<|return|>"))
        await asyncio.to_thread(scripted.start, port)
        assert "Half an answer." in await page.until(DONE)


async def test_what_a_server_wrote_last_is_saved_as_it_ends(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "CHECKPOINT_SECONDS", 3600)
    hold = threading.Event()
    scripted.enqueue([*HALF, *harmony("wer.<|return|>")], hold=hold, hold_at=len(HALF))
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until_written("Half an ans")
        assert (await answer_of(conversation)).text == ""
        await asyncio.to_thread(replies.save_before_exit)
        answer = await answer_of(conversation)
        assert (answer.text, answer.status) == ("Half an ans", Status.INTERRUPTED)
        assert TokenIdsField.unpack(answer.token_ids) == HALF
        hold.set()
        await until(lambda: not replies._running)


async def abandoned_answer(conversation: Conversation, silent_seconds: float) -> Message:
    asked = await conversation.messages.acreate(role=Role.USER, text="Hello")
    answer = await conversation.messages.acreate(
        parent=asked, role=Role.ASSISTANT, text="Half", status=Status.STREAMING
    )
    await Conversation.objects.filter(pk=conversation.pk).aupdate(leaf=answer)
    saved_at = timezone.now() - timedelta(seconds=silent_seconds)
    await Message.objects.filter(pk=answer.pk).aupdate(saved_at=saved_at)
    return answer


async def test_an_open_page_learns_that_its_answer_was_abandoned(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "HEARTBEAT_SECONDS", 0.2)
    await abandoned_answer(conversation, recovery.ABANDONED_SECONDS - 1)
    async with page_of(ann, conversation) as page:
        assert 'data-status="streaming"' in page.html
        assert "Half" in await page.until('data-status="interrupted"')


async def test_an_answer_whose_end_got_lost_is_looked_after(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "HEARTBEAT_SECONDS", 0.2)
    publish = broadcast.publish

    async def leaky(conversation_id: object, event: broadcast.Frame) -> None:
        if event["type"] != "snapshot":
            await publish(conversation_id, event)  # type: ignore[arg-type]

    monkeypatch.setattr(broadcast, "publish", leaky)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(DONE)
        await page.until('id="heartbeat"')


async def test_a_page_that_missed_a_whole_turn_catches_up(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, is_open = broadcast.publish, False

    async def shut(conversation_id: object, event: broadcast.Frame) -> None:
        if is_open:
            await publish(conversation_id, event)  # type: ignore[arg-type]

    monkeypatch.setattr(broadcast, "publish", shut)
    scripted.enqueue(reply("", "Missed."))
    scripted.enqueue(reply("", "Seen."))
    async with page_of(ann, conversation) as page:
        await page.ask("One")
        await until(lambda: len(scripted.requests) == 1 and not replies._tasks)
        is_open = True
        await page.ask("Two")
        await page.until("Seen.")
    assert "Missed." in page.html


async def test_an_answer_that_ended_is_not_shown_again(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "HEARTBEAT_SECONDS", 0.05)
    quiet_beats = 0
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(DONE)
        for _ in range(40):  # a beat between the saved end and its frame may well show it
            before = len(page.frames)
            await page.until('id="heartbeat"')
            is_shown = any("<article" in frame for frame in page.frames[before:])
            quiet_beats = 0 if is_shown else quiet_beats + 1
            if quiet_beats == 4:
                break
    assert quiet_beats == 4


async def test_a_new_turn_heals_a_page_that_missed_the_end_of_the_last(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = broadcast.publish
    has_lost = False

    async def leaky(conversation_id: object, event: broadcast.Frame) -> None:
        nonlocal has_lost
        if event["is_end"] and not has_lost:
            has_lost = True
        else:
            await publish(conversation_id, event)  # type: ignore[arg-type]

    monkeypatch.setattr(broadcast, "publish", leaky)
    scripted.enqueue(reply("", "First."))
    scripted.enqueue(reply("", "Second."))
    async with page_of(ann, conversation) as page:
        await page.ask("One")
        await until(lambda: has_lost and not replies._tasks)
        await page.ask("Two")
        await page.until("Second.")
        first = await conversation.messages.order_by("pk").filter(role=Role.ASSISTANT).afirst()
        assert first is not None
        statuses = re.findall(rf'<article id="message-{first.pk}"[^>]*data-status="(\w+)"', page.html)
        assert statuses[-1] == "complete"


async def test_other_news_that_got_lost_is_noticed(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "HEARTBEAT_SECONDS", 0.2)

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(broadcast, "publish", nothing)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        assert "An answer." in await page.until(DONE)


async def test_an_end_that_cannot_be_saved_is_saved_later_and_the_gate_is_free_meanwhile(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, is_away = turns.save, True

    def away(message: Message, token_ids: list[int]) -> None:
        if is_away:
            raise OperationalError("disk I/O error")
        save(message, token_ids)

    monkeypatch.setattr(turns, "save", away)
    monkeypatch.setattr(replies, "SAVE_AGAIN_SECONDS", 0.01)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(DONE)
        await until(lambda: not get_gate().is_full)
        assert (await answer_of(conversation)).status == Status.STREAMING
        is_away = False
        await until(lambda: not replies._running)
    answer = await answer_of(conversation)
    assert (answer.status, answer.text) == (Status.COMPLETE, "An answer.")


async def test_a_late_save_does_not_touch_the_next_run_of_the_message(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        scripted.enqueue(HALF, finish_reason="length")
        await page.ask("Hello")
        await page.until('data-status="length"')
        late = await answer_of(conversation)
        scripted.enqueue(harmony("wer.<|return|>"))
        await page.act("continue", late.pk)
        await page.until(DONE)
    await database_sync_to_async(turns.save)(late, [])
    assert (await answer_of(conversation)).text == "Half an answer."


async def test_deleting_a_conversation_closes_it_in_other_tabs(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(DONE)
        pk = conversation.pk
        await conversation.adelete()
        await broadcast.announce_move(pk)
        assert await page.closed() == consumers.NOT_FOUND


async def test_an_answer_that_never_heard_of_its_deletion_is_stopped(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "CHECKPOINT_SECONDS", 0.05)
    scripted.enqueue(reply("", "Words without end. " * 200), seconds_per_token=0.05)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until("Words")
        await Conversation.objects.filter(pk=conversation.pk).aupdate(deleted_at=timezone.now())
        await until(lambda: get_gate().held == 0)
    await until(lambda: not replies._running)
    assert (await answer_of(conversation)).status == Status.STOPPED


async def test_a_page_that_cannot_be_shown_what_it_hears_is_sent_to_come_back(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_options: object) -> str:
        raise OperationalError("The database is away.")

    async with page_of(ann, conversation) as page, page_of(ann, conversation) as other:
        with monkeypatch.context() as patch:
            patch.setattr(fragments, "messages", broken)
            await broadcast.announce_move(conversation.pk)
            assert await page.closed() == await other.closed() == consumers.COME_BACK
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(DONE)


async def test_one_of_several_silent_answers_does_not_restart_the_engine(
    scripted: ScriptedServer,
    ann: User,
    bob: User,
    conversation: Conversation,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.MAX_CONCURRENT_GENERATIONS = 2
    settings.FIRST_TOKEN_TIMEOUT = 1
    get_gate.cache_clear()
    others = await Conversation.objects.acreate(owner=bob)
    asked: list[str] = []
    monkeypatch.setattr(get_supervisor(), "restart", asked.append)
    scripted.enqueue(reply("", "word " * 200), seconds_per_token=0.02)
    scripted.enqueue(HALF, hold=threading.Event())
    async with page_of(ann, conversation) as page, page_of(bob, others) as silent:
        await page.ask("Write")
        await page.until("word")
        await silent.ask("Hello")
        await silent.until(FAILED)
        assert asked == []
        await page.stop((await answer_of(conversation)).pk)
        await page.until('data-status="stopped"')
