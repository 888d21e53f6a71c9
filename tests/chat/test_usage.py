"""What a person's answers took is recorded, each running by itself."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.models import Conversation
from inference.models import DailyLimits, UsageRecord
from tests.chat.open_page import page_of
from tests.chat.test_orders import stopped_answer
from tests.scripted_server import ScriptedServer, harmony

pytestmark = pytest.mark.django_db(transaction=True)


async def test_an_answer_that_goes_on_is_counted_once(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    begun, rest = "<|channel|>final<|message|>One, two", ", three.<|return|>"
    async with page_of(ann, conversation) as page:
        answer = await stopped_answer(scripted, page, conversation, begun)
        scripted.enqueue(harmony(rest))
        await page.act("continue", answer.pk)
        await page.until('assistant" data-status="complete"')
    records: list[UsageRecord] = []
    while len(records) < 2:
        records = [record async for record in UsageRecord.objects.order_by("pk")]
    stopped, complete = records
    assert (stopped.outcome, complete.outcome) == ("stopped", "complete")
    assert {(record.user_id, record.source, record.key_id) for record in records} == {(ann.pk, "chat", None)}
    assert (stopped.completion_tokens, complete.completion_tokens) == (len(harmony(begun)), len(harmony(rest)))
    assert stopped.answer_tokens + complete.answer_tokens == len(harmony("One, two, three."))
    assert stopped.prompt_tokens == complete.prompt_tokens > 0
    assert stopped.first_token_seconds is not None


async def test_a_reached_limit_is_told_keeps_the_text_and_holds_for_all_buttons(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    await DailyLimits.objects.acreate(user=ann, generations=1)
    async with page_of(ann, conversation) as page:
        await page.ask("Hello")
        await page.until('assistant" data-status="complete"')
        answer = await conversation.messages.order_by("pk").alast()
        assert answer is not None
        await page.ask("More")
        alert = await page.until("Your limit for today is reached: 1 of 1 answers")
        assert 'role="alert"' in alert
        assert 'id="prompt-key"' not in alert
        await page.act("regenerate", answer.pk)
        await page.until("Your limit for today is reached")
    assert await conversation.messages.acount() == 2
    assert len(scripted.requests) == 1


def test_people_see_what_they_have_used(client: Client, ann: User) -> None:
    UsageRecord.objects.create(
        user=ann,
        source="chat",
        prompt_tokens=1000,
        thinking_tokens=0,
        answer_tokens=0,
        completion_tokens=234,
        dropped_turns=0,
        total_seconds=1,
        outcome="complete",
    )
    DailyLimits.objects.create(user=ann, tokens=5000)
    client.force_login(ann)
    page = client.get("/settings/").content.decode()
    assert "Used today: answers 1, tokens 1,234. At most 5,000 tokens a day." in page
