"""Fills a site's database: runs within the site, by `manage.py shell`. The same calls make the same texts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import accumulate, count

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from chat.models import Conversation, Message, Role

FACTS = {"model": "scripted", "answer_tokens": 120, "total_seconds": 2.0}
CODE = "```python\nprint(1)\n```"
ANSWER = f"A list of **some**:\n\n- one `word`\n- two\n\n{CODE}\n\n" + "Some words more. " * 20
MESSAGES_OF_EACH = 10
BATCH = 500
TITLE_CHARACTERS = 40
VOCABULARY = 20_000
WORDS = 40
"""Of a message."""
SYLLABLES = "ba be bo da de do ka ke ko la le lo ma me mo na ne no ra re ro sa se so ta te to va ve vo".split()
INSERTS = {"zyzzyva": 25_000, "people": 2, "quick brown fox": 1000, "東京は日本の首都です": 100}
"""What is looked for, and in every how many messages it stands."""


@transaction.atomic
def conversation(length: int) -> str:
    """Ann's, of so many messages; returns its key. The last answer ends with its turn's number."""
    made = User.objects.get(username="ann").conversations.create(title=f"Of {length} messages")
    parent = None
    for number in range(length // 2):
        parent = made.messages.create(role=Role.USER, text=f"Prompt {number}", parent=parent)
        parent = made.messages.create(role=Role.ASSISTANT, text=f"{ANSWER} {number}", parent=parent, **FACTS)
    made.leaf = parent
    made.save()
    return str(made.pk)


@transaction.atomic
def history(owner: str, conversations: int) -> None:
    """So many conversations, an hour apart from one another, of ten messages each."""
    draw = random.Random(conversations)
    person = User.objects.get(username=owner)
    words = _words(draw)
    texts, titles = _texts(draw, words, INSERTS), _texts(draw, words, {})
    now = timezone.now()
    for first in range(0, conversations, BATCH):
        numbers = range(first, min(first + BATCH, conversations))
        made = [
            Conversation(owner=person, title=next(titles)[:TITLE_CHARACTERS], updated_at=now - timedelta(hours=number))
            for number in numbers
        ]
        Conversation.objects.bulk_create(made)
        _fill(made, texts)


def _fill(conversations: list[Conversation], texts: Iterator[str]) -> None:
    """Turn after turn, since a message needs its parent's key."""
    parents: list[Message | None] = [None] * len(conversations)
    for turn in range(MESSAGES_OF_EACH):
        role, facts = (Role.ASSISTANT, FACTS) if turn % 2 else (Role.USER, {})
        parents[:] = Message.objects.bulk_create(
            Message(conversation=each, role=role, text=next(texts), parent=parent, **facts)
            for each, parent in zip(conversations, parents, strict=True)
        )
    for each, leaf in zip(conversations, parents, strict=True):
        each.leaf = leaf
    Conversation.objects.bulk_update(conversations, ["leaf"])


def _words(draw: random.Random) -> list[str]:
    return ["".join(draw.choices(SYLLABLES, k=draw.randint(2, 4))) for _ in range(VOCABULARY)]


def _texts(draw: random.Random, words: list[str], inserts: dict[str, int]) -> Iterator[str]:
    """Words as they are met in texts, few of them often and most of them seldom; and what is looked for."""
    weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    for number in count(1):
        text = draw.choices(words, cum_weights=weights, k=WORDS)
        for what, every in inserts.items():
            if number % every == 0:
                text.insert(draw.randrange(WORDS), what)
        yield " ".join(text)
