"""What programs with a key get past: all that is for browsers, and nothing that keeps others out."""

from __future__ import annotations

import json

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient
from pytest_django import Settings

from inference.models import ApiKey
from tests.inference.api.conftest import Api
from tests.scripted_server import ScriptedServer

pytestmark = pytest.mark.django_db(transaction=True)


async def test_an_answer_has_the_headers_that_protect_it_and_none_for_browsers(
    scripted: ScriptedServer, api: Api
) -> None:
    response = await api.get("/v1/models")
    assert response.status_code == 200
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert "Cookie" not in response.headers.get("Vary", "")
    assert not response.cookies


async def test_a_session_beside_a_key_is_not_even_read(scripted: ScriptedServer, ann: User, bob: User) -> None:
    """Whoever sends a key is judged by it alone."""
    client = AsyncClient()
    await client.aforce_login(bob)
    _key, secret = await database_sync_to_async(ApiKey.issue)(ann, "tests")
    response = await client.get("/v1/models", headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code == 200
    assert not hasattr(response.asgi_request, "session")
    wrong = await client.get("/v1/models", headers={"Authorization": "Bearer sk-wrong"})
    assert wrong.status_code == 401


async def test_a_wrong_host_is_refused_with_a_key_too(settings: Settings, scripted: ScriptedServer, api: Api) -> None:
    assert (await api.get("/v1/models")).status_code == 200
    settings.ALLOWED_HOSTS = ["chat.example.org"]
    assert (await api.get("/v1/models")).status_code == 400


async def test_pages_are_pages_whoever_asks(scripted: ScriptedServer, api: Api) -> None:
    """The API's documentation is one, and so is every address beside the API's."""
    documentation = await api.get("/api/docs")
    assert documentation.status_code == 200
    assert documentation.headers["X-Frame-Options"] == "DENY"
    assert (await api.get("/")).status_code == 302


async def test_what_is_not_there_is_told_as_json(scripted: ScriptedServer, api: Api) -> None:
    response = await api.get("/v1/nothing/here")
    assert response.status_code == 404
    assert json.loads(response.content)["error"]["code"] == "unknown_url"
