"""What comes over a socket is in the language of the person it comes to."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User

from chat.models import Conversation, Preferences
from tests.chat.open_page import SECONDS, Page, page_of
from tests.scripted_server import ScriptedServer, reply

pytestmark = pytest.mark.django_db(transaction=True)

ENDED = 'assistant" data-status="complete"'
CODE = "```python\nprint(1)\n```"


@database_sync_to_async
def conversation_in(language: str, owner: User) -> Conversation:
    """Of somebody who chose the language in the settings; empty: who chose none."""
    Preferences.objects.create(user=owner, language=language)
    return Conversation.objects.create(owner=owner)


async def test_two_people_read_their_own_languages_at_the_same_time(
    scripted: ScriptedServer, ann: User, bob: User
) -> None:
    anns, bobs = await conversation_in("de", ann), await conversation_in("", bob)
    hold = threading.Event()
    scripted.enqueue(reply("Let me think.", CODE), hold=hold, hold_at=8)
    scripted.enqueue(reply("Let me think.", CODE))
    async with (
        _let_go(hold),
        page_of(ann, anns, language="en") as german,
        page_of(bob, bobs, language="fr,en;q=0.8,de;q=0.5") as english,
    ):
        await german.ask("Hallo")
        await german.until(" open[^>]*>\n<summary>Denkt nach …")
        await english.ask("Hello")  # while the model answers the other
        await english.until('id="alert"[^>]*>The model is busy with another answer')
        await _see_status(german, "antwortet")
        await _see_status(english, "answering")
        hold.set()
        end = await german.until(ENDED)
        for text in (
            "Hat 0,",
            "s nachgedacht",
            "Aufwand niedrig",
            ">Vollständig<",
            ">Kopieren</button>",
            "Neu antworten",
        ):
            assert text in end
        assert "Antwort vollständig" in end
        assert "Copy" not in end
        await english.until("The model is free again: send your prompt now")
        await english.ask("Hello")
        end = await english.until(ENDED)
        for text in ("Thought for 0.", "low effort", ">Complete<", ">Copy</button>", "Regenerate", "Answer complete"):
            assert text in end
        await german.act("continue", 999_999)
        await german.until("Diese Nachricht gibt es nicht mehr")
    assert "antwortet" not in english.html
    assert "The model" not in german.html


@asynccontextmanager
async def _let_go(hold: threading.Event) -> AsyncIterator[None]:
    """At the end, however the test ends: the engine is waited for."""
    try:
        yield
    finally:
        hold.set()


async def _see_status(page: Page, state: str) -> None:
    """In words; what the scripts read stays as it is."""
    async with asyncio.timeout(SECONDS):
        while not re.search(rf'data-state="generating".*\n.*\n<span class="state">{state}<', page.html):
            await page.until("")
