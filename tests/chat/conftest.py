"""A small cast (Ann owns, Bob is a stranger), and an engine that writes what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from channels.layers import channel_layers
from django.contrib.auth.models import User
from pytest_django import Settings

from chat import broadcast, replies
from chat.models import Conversation
from inference.gate import get_gate
from inference.supervisor import get_supervisor
from tests.scripted_server import ScriptedServer

PASSWORD = "correct-horse-7"


@pytest.fixture(scope="session", autouse=True)
def has_static_files(static_files: None) -> None:
    """For every test of this folder."""


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """A real hash costs a third of a second for every person of the cast."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", password=PASSWORD)


@pytest.fixture
def conversation(ann: User) -> Conversation:
    return Conversation.objects.create(owner=ann)


@pytest.fixture
async def scripted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[ScriptedServer]:
    """A ready engine over HTTP; the gate, the channel layer and the watch are new."""
    server = ScriptedServer().start()
    settings.ENGINE, settings.VLLM_SERVER_URL, settings.MODEL_NAME = "vllm-server", server.url, "scripted"
    get_supervisor.cache_clear()
    get_gate.cache_clear()
    channel_layers.backends.clear()
    monkeypatch.setattr(broadcast, "watch", broadcast.StatusWatch().start)
    get_supervisor().start_in_background()
    await asyncio.to_thread(get_supervisor().wait_ready, 20)
    yield server
    await until(lambda: not replies._tasks)
    await asyncio.to_thread(get_supervisor().stop)
    server.stop()
    get_supervisor.cache_clear()
    get_gate.cache_clear()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition; fails loudly when it never comes true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
