"""What a person's answers took is recorded, each running by itself."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from chat.models import Conversation
from inference.models import UsageRecord
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
