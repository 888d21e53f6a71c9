"""A person with a key, and the API before an engine that writes what a test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import cast

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient
from pytest_django import Settings

from inference.gate import get_gate
from inference.models import ApiKey
from inference.supervisor import get_supervisor
from tests.scripted_server import ScriptedServer


@pytest.fixture(scope="session", autouse=True)
def has_static_files(static_files: None) -> None:
    """For every test of this folder."""


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create(username="ann")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create(username="bob")


@pytest.fixture
async def scripted(settings: Settings) -> AsyncIterator[ScriptedServer]:
    """A ready engine over HTTP; the gate is new."""
    server = ScriptedServer().start()
    settings.ENGINE, settings.VLLM_SERVER_URL, settings.MODEL_NAME = "vllm-server", server.url, "scripted"
    get_supervisor.cache_clear()
    get_gate.cache_clear()
    get_supervisor().start_in_background()
    await asyncio.to_thread(get_supervisor().wait_ready, 20)
    yield server
    await asyncio.to_thread(get_supervisor().stop)
    server.stop()
    get_supervisor.cache_clear()
    get_gate.cache_clear()


class Api:
    """A program with somebody's key."""

    def __init__(self, user: User) -> None:
        self.user = user
        self._secret = ApiKey.issue(user, "tests")[1]
        self._client = AsyncClient()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret}"}

    async def post(self, path: str, body: object, **headers: str) -> HttpResponse | StreamingHttpResponse:
        """`body`: JSON as bytes, or what becomes it."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = await self._client.post(
            path, content, content_type="application/json", headers=self.headers | headers
        )
        return cast(HttpResponse, response)

    async def get(self, path: str, **headers: str) -> HttpResponse:
        return cast(HttpResponse, await self._client.get(path, headers=self.headers | headers))

    async def delete(self, path: str) -> HttpResponse:
        return cast(HttpResponse, await self._client.delete(path, headers=self.headers))


@pytest.fixture
def api(ann: User) -> Api:
    return Api(ann)


async def text_of(response: HttpResponse | StreamingHttpResponse) -> str:
    """All of a streamed answer."""
    assert isinstance(response, StreamingHttpResponse), response.content
    return b"".join([part async for part in response]).decode()


async def events_of(response: HttpResponse | StreamingHttpResponse) -> list[dict[str, object]]:
    """The data of its server-sent events, without [DONE]."""
    lines = (await text_of(response)).splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(each) for each in data if each != "[DONE]"]
