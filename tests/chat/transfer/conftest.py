"""Files as people would upload them, and a conversation with everything in it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from chat.models import Conversation, Feedback, Message, Role, Status, TokenIdsField
from chat.transfer.importing import Report, import_file

EXAMPLES = Path(__file__).parent / "examples"
BEGUN = datetime(2026, 3, 1, 12, 30, 15, 123456, UTC)


def example(name: str) -> bytes:
    return (EXAMPLES / name).read_bytes()


def import_json(owner: User, content: object) -> Report:
    return import_bytes(owner, json.dumps(content).encode())


def import_bytes(owner: User, content: bytes) -> Report:
    return import_file(owner, io.BytesIO(content))


@pytest.fixture
def rich(ann: User) -> Conversation:
    """Versions of prompts and answers, thinking, a stopped answer with its tokens, feedback, own settings."""
    conversation = Conversation.objects.create(
        owner=ann,
        title="Sums: 2 + 2 / “vier”",
        effort="high",
        max_tokens=500,
        instructions="Be brief.\r\nCount.",
        is_pinned=True,
        created_at=BEGUN,
        updated_at=BEGUN + timedelta(hours=1),
    )
    first = _prompt(conversation, None, "What is 2 + 2?")
    answer = _answer(conversation, first, "4", thinking="2 + 2 = 4.", first_token_seconds=0.1, thinking_seconds=1.25)
    _answer(conversation, first, "", status=Status.FAILED, error="The engine died.")
    edited = _prompt(conversation, answer, "And 3 + 3?")
    _answer(conversation, edited, "6", is_malformed=True, dropped_turns=2)
    again = _prompt(conversation, answer, "And 4 + 4?\n```python\n4 + 4")
    ids = TokenIdsField.pack([200006, 1, 2]), TokenIdsField.pack([200005, 35644, 200008, 23])
    leaf = _answer(
        conversation, again, "8, bec", status=Status.STOPPED, prompt_token_ids=ids[0], token_ids=ids[1], max_tokens=500
    )
    Feedback.objects.create(message=answer, rating=1, note="Right!")
    Feedback.objects.update(created_at=BEGUN, updated_at=BEGUN + timedelta(minutes=2))
    conversation.leaf = leaf
    conversation.save()
    return conversation


def _prompt(conversation: Conversation, parent: Message | None, text: str) -> Message:
    return conversation.messages.create(parent=parent, role=Role.USER, text=text, created_at=BEGUN, saved_at=BEGUN)


def _answer(conversation: Conversation, parent: Message, text: str, **values: object) -> Message:
    values = {"effort": "low", "model": "openai/gpt-oss-20b", "answer_tokens": 7, "total_seconds": 2.5} | values
    return conversation.messages.create(
        parent=parent, role=Role.ASSISTANT, text=text, created_at=BEGUN, saved_at=BEGUN, **values
    )


def tree(conversation: Conversation) -> list[tuple[str, str, str]]:
    """Each message with its parent's text, in the order of the keys."""
    messages = conversation.messages.select_related("parent").order_by("pk")
    return [(message.role, message.text, message.parent.text if message.parent else "") for message in messages]
