from __future__ import annotations

import asyncio
import re
import threading
from typing import cast

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from pytest_django import Settings

from chat import actions, fragments
from chat.forms import ActionForm
from chat.models import Conversation, Message, Preferences, Role, Status, TokenIdsField
from chat.orders import Ask
from inference.gate import get_gate
from inference.harmony import visible_prompt
from inference.limits import longest_answer_tokens
from inference.request import Request
from inference.status import Status as EngineStatus
from inference.supervisor import get_supervisor
from tests.chat.open_page import Page, answer_of, page_of
from tests.scripted_server import ScriptedServer, harmony, reply

pytestmark = pytest.mark.django_db(transaction=True)

DONE = 'assistant" data-status="complete"'


def sent(scripted: ScriptedServer, number: int = -1) -> list[int]:
    """The prompt's ids of that request to the engine."""
    return cast(list[int], scripted.requests[number]["prompt"])


@database_sync_to_async
def shown(conversation: Conversation) -> list[Message]:
    conversation.refresh_from_db()
    return conversation.path()


async def stopped_answer(scripted: ScriptedServer, page: Page, conversation: Conversation, text: str) -> Message:
    """Ask, and stop the answer after `text` (in Harmony) was written."""
    hold = threading.Event()
    scripted.enqueue([*harmony(text), *harmony("never read" * 50)], hold_at=len(harmony(text)), hold=hold)
    await page.ask("Hello")
    await page.until_written(text.removeprefix("<|channel|>final<|message|>"))
    answer = await answer_of(conversation)
    await page.stop(answer.pk)
    await page.until('assistant" data-status="stopped"')
    return await answer_of(conversation)


async def test_continue_goes_on_from_the_exact_tokens(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        answer = await stopped_answer(scripted, page, conversation, "<|channel|>final<|message|>One, two")
        written = TokenIdsField.unpack(answer.token_ids)
        scripted.enqueue(harmony(", three.<|return|>"))
        await page.act("continue", answer.pk)
        end = await page.until(DONE)
    assert "One, two, three." in end
    assert sent(scripted) == sent(scripted, 0) + written
    again = await answer_of(conversation)
    assert (again.pk, again.text, again.status) == (answer.pk, "One, two, three.", Status.COMPLETE)
    assert TokenIdsField.unpack(again.token_ids) == written + harmony(", three.<|return|>")
    assert again.answer_tokens == len(harmony("One, two, three."))


async def test_continue_in_the_middle_of_a_character(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    ids = harmony("<|channel|>final<|message|>An astronaut: 👩‍🚀")
    async with page_of(ann, conversation) as page:
        scripted.enqueue(ids[:-1], finish_reason="length")
        await page.ask("Hello")
        end = await page.until('assistant" data-status="length"')
        assert "\ufffd" in end
        scripted.enqueue([ids[-1], *harmony("!<|return|>")])
        await page.act("continue", (await answer_of(conversation)).pk)
        await page.until(DONE)
    assert (await answer_of(conversation)).text == "An astronaut: 👩‍🚀!"


async def test_answer_now_ends_the_thinking_of_a_running_answer(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    thinking = "<|channel|>analysis<|message|>Hm, let me see"
    scripted.enqueue(harmony(thinking + " more" * 500), hold=threading.Event(), hold_at=len(harmony(thinking)))
    scripted.enqueue(harmony("It is 4.<|return|>"))
    async with page_of(ann, conversation) as page:
        await page.ask("2 + 2?")
        await page.until_written("Hm, let me see", "thinking-text")
        await page.act("answer-now", (await answer_of(conversation)).pk)
        end = await page.until(DONE)
    assert "It is 4." in end
    answer = await answer_of(conversation)
    assert (answer.thinking, answer.text, answer.status) == ("Hm, let me see", "It is 4.", Status.COMPLETE)
    assert not answer.is_malformed
    forced = harmony("<|end|><|start|>assistant<|channel|>final<|message|>")
    assert sent(scripted) == sent(scripted, 0) + harmony(thinking) + forced
    assert scripted.requests[-1]["max_tokens"] == 1000


@pytest.mark.parametrize("ending", ["<|return|>", "<|end|><|return|>", ""])
async def test_answer_now_after_thinking_only(
    scripted: ScriptedServer, ann: User, conversation: Conversation, ending: str
) -> None:
    reason = "stop" if ending else "length"
    scripted.enqueue(harmony(f"<|channel|>analysis<|message|>Only thoughts.{ending}"), finish_reason=reason)
    scripted.enqueue(harmony("Words.<|return|>"))
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        end = await page.until('assistant" data-status="(complete|length)"')
        assert 'data-action="answer-now"' in end
        await page.act("answer-now", (await answer_of(conversation)).pk)
        await page.until("Words.")
        await page.until(DONE) if DONE not in page.frames[-1] else None
    answer = await answer_of(conversation)
    assert (answer.thinking, answer.text) == ("Only thoughts.", "Words.")
    assert visible_prompt(sent(scripted)).endswith("Only thoughts.<|end|><|start|>assistant<|channel|>final<|message|>")


async def test_regenerate_keeps_the_old_answer_as_a_version(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page, page_of(ann, conversation) as other:
        scripted.enqueue(reply("", "First."))
        await page.ask("Hello")
        await page.until(DONE)
        old = await answer_of(conversation)
        scripted.enqueue(reply("Deep.", "Second."))
        await page.act("regenerate", old.pk, **{"with": "high"})
        for each in (page, other):
            assert "Second." in await each.until(f"{DONE}(?s:.*)Second")
        new = await answer_of(conversation)
        assert "Reasoning: high" in visible_prompt(sent(scripted))
        assert "First." not in visible_prompt(sent(scripted))
        assert (new.parent_id, new.effort) == (old.parent_id, "high")
        assert [message.pk for message in await shown(conversation)] == [old.parent_id, new.pk]

        await page.act("version", old.pk)
        assert "First." in await other.until("First.")
    assert [message.text for message in await shown(conversation)] == ["Hello", "First."]
    assert [(message.version, message.versions, message.next_version) for message in await shown(conversation)][1] == (
        1,
        2,
        new.pk,
    )


async def test_an_edited_prompt_is_a_new_branch(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        for prompt in ("One", "Two", "Three"):
            scripted.enqueue(reply("", f"Answer to {prompt}."))
            await page.ask(prompt)
            await page.until(DONE)
        before = await shown(conversation)
        await page.ask("Two, edited", edits=str(before[2].pk))
        await page.until("Two, edited")
        await page.until(DONE)
        after = await shown(conversation)
        assert [message.text for message in after if message.role == Role.USER] == ["One", "Two, edited"]
        assert "Answer to One." in visible_prompt(sent(scripted))
        assert "Answer to Two." not in visible_prompt(sent(scripted))
        assert (after[2].version, after[2].previous_version) == (2, before[2].pk)

        await page.act("version", before[2].pk)
        await page.until("Answer to Three.")
    assert [message.pk for message in await shown(conversation)] == [message.pk for message in before]


async def test_the_first_prompt_can_be_edited(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    async with page_of(ann, conversation) as page:
        await page.ask("Helo")
        await page.until(DONE)
        first = (await shown(conversation))[0]
        await page.ask("Hello", edits=str(first.pk))
        await page.until("Hello")
        await page.until(DONE)
    assert [message.text for message in await shown(conversation)] == ["Hello", "An answer."]


async def test_a_prompt_that_is_sent_again_counts_once(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        await page.ask("Hello", key="k1")
        await page.until(DONE)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello", key="k1")
        assert 'id="prompt-key"' in await page.until('id="prompt-key"')
        assert "An answer." in page.html
        await page.ask("Hello", key="k2")
        await page.until(DONE)
    assert await conversation.messages.filter(role=Role.USER).acount() == 2
    assert len(scripted.requests) == 2


async def test_a_prompt_that_is_sent_again_while_it_is_answered_is_no_busy(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    hold = threading.Event()
    scripted.default.hold = hold
    async with page_of(ann, conversation) as page, page_of(ann, conversation) as again:
        await page.ask("Hello", key="k1")
        await page.until('data-status="streaming"')
        await again.ask("Hello", key="k1")
        await again.until('id="prompt-key"')
        hold.set()
        await again.until(DONE)
    assert "busy with another" not in again.html
    assert len(scripted.requests) == 1


async def test_another_prompt_under_a_used_key_is_not_taken_for_the_first(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        for prompt in ("First", "Second", "Third"):
            await page.ask(prompt, key="k1")
            await page.until(DONE)
    prompts = conversation.messages.filter(role=Role.USER).values_list("text", flat=True)
    assert [text async for text in prompts] == ["First", "Second", "Third"]


async def test_a_prompt_for_a_conversation_that_has_changed_is_kept(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Ask.request

    def changed(self: Ask, seen: Conversation) -> Request:
        made = request(self, seen)
        other = seen.messages.create(role=Role.USER, text="From elsewhere")
        Conversation.objects.filter(pk=seen.pk).update(leaf=other)
        return made

    monkeypatch.setattr(Ask, "request", changed)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until("has changed meanwhile")
    assert 'id="prompt-key"' not in page.html
    assert not get_gate().is_full


async def test_a_refused_prompt_may_be_sent_again_with_its_key(
    scripted: ScriptedServer, ann: User, bob: User, conversation: Conversation
) -> None:
    hold = threading.Event()
    scripted.enqueue(reply("", "First."), hold=hold)
    others = await Conversation.objects.acreate(owner=bob)
    async with page_of(ann, conversation) as page, page_of(bob, others) as waiting:
        await page.ask("Hello")
        await page.until('data-status="streaming"')
        await waiting.ask("Me too", key="k1")
        await waiting.until("busy with another")
        hold.set()
        await waiting.until("free again")
        await waiting.ask("Me too", key="k1")
        await waiting.until(DONE)
    assert await others.messages.acount() == 2


async def test_what_does_not_fit_is_refused_and_changes_nothing(
    scripted: ScriptedServer, ann: User, bob: User, conversation: Conversation
) -> None:
    others = await Conversation.objects.acreate(owner=bob)
    foreign = await others.messages.acreate(role=Role.ASSISTANT, text="Bob's", status=Status.STOPPED)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(DONE)
        answer = await answer_of(conversation)
        for action, message, told in (
            ("continue", answer.pk, "nothing to go on from"),
            ("answer-now", answer.pk, "nothing to go on from"),
            ("continue", foreign.pk, "is gone"),
            ("stop", foreign.pk, "is gone"),
            ("version", foreign.pk, "is gone"),
            ("regenerate", answer.parent_id, "is gone"),
            ("regenerate", "", "no such message"),
            ("continue", "x", "whole number"),
            ("dance", answer.pk, "Select a valid choice"),
            ("retry", "", "Only staff"),
        ):
            await page.act(action, message)
            assert 'role="alert"' in await page.until(told)
        await page.ask("Edited", edits=str(foreign.pk))
        await page.until("is gone")
    assert await Message.objects.acount() == 3
    assert len(scripted.requests) == 1


async def test_only_the_last_answer_goes_on(scripted: ScriptedServer, ann: User, conversation: Conversation) -> None:
    async with page_of(ann, conversation) as page:
        answer = await stopped_answer(scripted, page, conversation, "<|channel|>final<|message|>Half")
        await page.ask("Something else")
        await page.until(DONE)
        await page.act("continue", answer.pk)
        await page.until("Only the last answer can go on")


async def test_versions_stay_put_while_an_answer_runs(
    scripted: ScriptedServer, ann: User, conversation: Conversation, settings: Settings
) -> None:
    settings.MAX_CONCURRENT_GENERATIONS = 2
    get_gate.cache_clear()
    hold = threading.Event()
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(DONE)
        old = await answer_of(conversation)
        scripted.default.hold = hold
        await page.act("regenerate", old.pk)
        await page.until('data-status="streaming"')
        for action in ("version", "regenerate"):
            await page.act(action, old.pk)
            await page.until("busy with an answer in this conversation")
        hold.set()
        await page.until(DONE)
    assert await conversation.messages.acount() == 3


async def test_an_answer_that_fills_the_model_cannot_go_on(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        answer = await stopped_answer(scripted, page, conversation, "<|channel|>final<|message|>Half" + " word" * 30)
        facts = get_supervisor().facts
        assert facts is not None
        facts.max_model_len = answer.prompt_tokens + 30
        await page.act("continue", answer.pk)
        await page.until("This answer cannot go on")
    assert (await answer_of(conversation)).status == Status.STOPPED
    assert not get_gate().is_full


async def test_twenty_people_press_send_at_the_same_moment(scripted: ScriptedServer, db: None) -> None:
    hold = threading.Event()
    scripted.default.hold = hold
    people = [await User.objects.acreate(username=f"person{number}") for number in range(20)]
    talks = [await Conversation.objects.acreate(owner=person) for person in people]
    async with asyncio.timeout(120):
        pages = [page_of(person, talk) for person, talk in zip(people, talks, strict=True)]
        opened = [await page.__aenter__() for page in pages]
        await asyncio.gather(*(page.ask("Me!") for page in opened))
        outcomes = await asyncio.gather(*(page.until('id="prompt-key"|busy with another') for page in opened))
        admitted = [page for page, told in zip(opened, outcomes, strict=True) if "prompt-key" in told]
        assert len(admitted) == 1
        assert await Message.objects.acount() == 2
        hold.set()
        await admitted[0].until(DONE)
        for page in opened:
            if page is not admitted[0]:
                await page.ask("Now me")
                await page.until(DONE)
        for context in pages:
            await context.__aexit__(None, None, None)
    assert await Message.objects.filter(status=Status.COMPLETE, role=Role.ASSISTANT).acount() == 20


async def test_staff_may_start_a_failed_engine_again(
    scripted: ScriptedServer, ann: User, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(get_supervisor(), "retry", lambda: asked.append("retry"))
    await User.objects.filter(pk=ann.pk).aupdate(is_staff=True)
    await ann.arefresh_from_db()
    async with page_of(ann, conversation) as page:
        await page.act("retry")
        await page.until('id="alert"')
    assert asked == ["retry"]


async def test_a_failed_engine_shows_its_last_errors_and_staff_a_retry_button(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = EngineStatus(
        "failed", reason="Too little memory.", fix="Close what uses it.", log=("ERROR: out of memory",)
    )
    monkeypatch.setattr(type(get_supervisor()), "status", failed)
    for is_staff in (True, False):
        html = fragments.engine_status(is_staff=is_staff)
        assert 'data-state="failed"' in html
        assert "Too little memory. Close what uses it." in html
        assert "out of memory" in html
        assert ('data-action="retry"' in html) == is_staff


async def test_a_start_tells_how_long_it_will_take(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    loading = EngineStatus("loading", "Loading the weights", started=1_800_000_000.0, expected_seconds=24.6)
    monkeypatch.setattr(type(get_supervisor()), "status", loading)
    html = fragments.engine_status(is_staff=False)
    assert 'data-since="1800000000"' in html
    assert "of about 25 s" in html


# Instructions and length


@database_sync_to_async
def usual(user: User, **values: object) -> None:
    Preferences.objects.update_or_create(user=user, defaults=values)


@database_sync_to_async
def own(conversation: Conversation, **values: object) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(**values)


async def test_the_model_gets_the_instructions_and_the_length(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    await usual(ann, instructions="Be brief.", max_tokens=200)
    for _ in range(3):
        scripted.enqueue(reply("Thinking.", "Done."))
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(DONE)
        assert "<|start|>developer<|message|># Instructions\n\nBe brief.<|end|>" in visible_prompt(sent(scripted))
        assert scripted.requests[0]["max_tokens"] == 200
        await own(conversation, instructions="Rhyme.", max_tokens=300)
        await page.act("regenerate", (await answer_of(conversation)).pk)
        await page.until(DONE)
        assert "\n\nRhyme.<|end|>" in visible_prompt(sent(scripted))
        assert scripted.requests[-1]["max_tokens"] == 300
        await own(conversation, instructions="")
        await page.ask("Again")
        await page.until(DONE)
        assert "developer" not in visible_prompt(sent(scripted))
    assert (await answer_of(conversation)).max_tokens == 300


async def test_a_prompt_without_an_effort_gets_the_usual_one(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    await usual(ann, effort="high")
    async with page_of(ann, conversation) as page:
        await page.ask("Hello", effort="")
        await page.until(DONE)
    assert "Reasoning: high" in visible_prompt(sent(scripted))
    assert (await answer_of(conversation)).effort == "high"


async def test_continue_takes_the_conversations_length(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        answer = await stopped_answer(scripted, page, conversation, "<|channel|>final<|message|>One, two")
        await own(conversation, max_tokens=40)
        scripted.enqueue(harmony(", three.<|return|>"))
        await page.act("continue", answer.pk)
        await page.until(DONE)
    assert scripted.requests[-1]["max_tokens"] == 40


async def test_html_is_not_kept_of_an_answer_that_goes_on(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    hold = threading.Event()
    async with page_of(ann, conversation) as page:
        answer = await stopped_answer(scripted, page, conversation, "<|channel|>final<|message|>One, two")
        assert "One, two" in (await answer_of(conversation)).html
        scripted.enqueue(harmony(", three.<|return|>"), hold=hold)
        await page.act("continue", answer.pk)
        await page.until('assistant" data-status="streaming"')
        assert (await answer_of(conversation)).html_version == 0
        hold.set()
        await page.until(DONE)
    assert "One, two, three." in (await answer_of(conversation)).html


async def test_showing_earlier_messages_orders_nothing(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    async with page_of(ann, conversation) as page:
        answer = await stopped_answer(scripted, page, conversation, "<|channel|>final<|message|>One, two")
    asked = len(scripted.requests)
    form = ActionForm({"action": "earlier", "message": answer.pk})
    assert form.is_valid()
    await actions.act(conversation, ann, form)
    assert len(scripted.requests) == asked
    assert (await answer_of(conversation)).status == Status.STOPPED


async def test_no_answer_is_asked_for_that_the_engine_has_no_room_for(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    await own(conversation, max_tokens=2**31 - 1)  # as an imported file may say
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until(DONE)
    assert scripted.requests[-1]["max_tokens"] == longest_answer_tokens()


async def test_a_prompt_too_long_beside_its_instructions_tells_of_them(
    scripted: ScriptedServer, ann: User, conversation: Conversation, settings: Settings
) -> None:
    settings.MAX_CONTEXT_TOKENS = 150
    await own(conversation, instructions="word " * 60)
    async with page_of(ann, conversation) as page:
        await page.ask("word " * 60)
        told = await page.until('id="alert"')
    assert re.search(r"it needs \d+ tokens, 6\d of them for the instructions, and at most 150 fit", told)
