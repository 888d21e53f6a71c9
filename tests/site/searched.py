"""What searches find in one small history: to be told by each database."""

from __future__ import annotations

import json

from django.contrib.auth.models import User

from chat import turns
from chat.models import Conversation, Message, Role, Status
from chat.search.hits import search
from tests.chat.test_search import HOSTILE

FOUND = [
    "cats",
    "cats avo",
    '"cats avoid"',
    "felines",
    "cafe",
    "SCHÖNES",
    "schon",
    "лес",
    "asyncio",
    "lib/python3.11",
    "ann@example.org",
    "foo_b",
    "3.14",
    "bold",
    "pets",
    "ocelot",
    "serval",
    "water",
]
NOT_FOUND = ["avo cats", '"cats water"', '"cats avo"', "margay", "", "unicorn"]
ANSWERS = [
    ("Most cats avoid water, but the Türkish Van swims.", "The person asks about felines and water."),
    ("Ein schönes CAFÉ in Łódź. Тёмный Лес.", "cats " * 30),
    ("See /usr/lib/python3.11/asyncio or mail ann@example.org about <b>bold-face</b> foo_bar 3.14.", ""),
    ("Long. " + " ".join(f"{number:06}" for number in range(150_000)), "y z " * 100_000),
]


def outcome() -> dict[str, list[str]]:
    """For each query what is found, by kind and beginning; the order among equals is each database's own."""
    ann = User.objects.get(username="ann")
    conversation = Conversation.objects.create(owner=ann, title="Pets & swimming")
    asked = conversation.messages.create(role=Role.USER, text="Do cats like water?")
    others = Conversation.objects.bulk_create([Conversation(owner=ann) for _ in ANSWERS])
    answers = [
        Message(conversation=other, role=Role.ASSISTANT, text=text, thinking=thinking)
        for other, (text, thinking) in zip(others, ANSWERS, strict=True)
    ]
    Message.objects.bulk_create(answers)
    running = conversation.messages.create(
        parent=asked, role=Role.ASSISTANT, status=Status.STREAMING, text="margay", run="r"
    )
    ended = conversation.messages.create(parent=asked, role=Role.ASSISTANT, status=Status.STREAMING, run="s")
    ended.text, ended.status = "a serval", Status.COMPLETE
    turns.save(ended, [])
    conversation.leaf = running
    conversation.title = "Pets & an ocelot"
    conversation.save()
    return {
        query: sorted(f"{hit.part} {hit.excerpt[0].text[:20] if hit.excerpt else ''}" for hit in search(ann, query))
        for query in [*FOUND, *NOT_FOUND, *HOSTILE]
    }


def tell() -> None:
    print(json.dumps(outcome()))  # noqa: T201 - read by the test
