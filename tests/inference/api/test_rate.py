"""Who asks too often waits; nobody else does."""

from __future__ import annotations

import json
import time

import pytest
from pytest_django import Settings

from inference.api import auth
from inference.api.rate import Rate
from tests.inference.api.conftest import Api
from tests.scripted_server import ScriptedServer

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_key_has_so_many_requests_in_a_minute(
    scripted: ScriptedServer, api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MAX_API_REQUESTS_PER_MINUTE = 2
    monkeypatch.setattr(auth, "rate", Rate())
    now = 60_000_010.0
    monkeypatch.setattr(time, "time", lambda: now)
    assert [(await api.get("/v1/models")).status_code for _time in range(3)] == [200, 200, 429]
    refused = await api.get("/v1/models")
    assert json.loads(refused.content)["error"]["code"] == "rate_limit_exceeded"
    assert refused.headers["Retry-After"] == "50"
    now += 50
    assert (await api.get("/v1/models")).status_code == 200


def test_each_has_their_own(settings: Settings) -> None:
    settings.MAX_API_REQUESTS_PER_MINUTE = 1
    rate = Rate()
    rate.count("key 1")
    rate.count("key 2")
    rate.count("session of 1")
    with pytest.raises(Exception, match="More than 1 requests in a minute"):
        rate.count("key 1")
