"""The API of a running server: clients that go away, many at once, a key that is revoked in between."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing

import httpx
import pytest

from tests.conftest import NewSite
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import SiteProcess

BODY = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}


@pytest.fixture(scope="module", params=[1, 8], ids=["gate-1", "gate-8"])
def site(request: pytest.FixtureRequest, new_site: NewSite) -> Iterator[tuple[SiteProcess, ScriptedServer]]:
    script = ScriptedServer().start()
    site = new_site(
        ENGINE="vllm-server",
        VLLM_SERVER_URL=script.url,
        MODEL_NAME="scripted",
        MAX_CONCURRENT_GENERATIONS=str(request.param),
    )
    try:
        yield site.start().wait_ready(), script
    finally:
        site.stop()
        script.stop()


@pytest.fixture(scope="module")
def key(site: tuple[SiteProcess, ScriptedServer]) -> str:
    return site[0].manage("create_api_key", "ann").stdout.strip().splitlines()[-1]


@pytest.fixture
async def client(site: tuple[SiteProcess, ScriptedServer], key: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=site[0].url, headers=headers, trust_env=False, timeout=30) as client:
        yield client


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def records(site: SiteProcess) -> list[tuple[str, int]]:
    """Outcome and output tokens of each generation."""
    with closing(sqlite3.connect(site.folder / "db.sqlite3", timeout=20)) as connection:
        query = "SELECT outcome, completion_tokens FROM inference_usagerecord ORDER BY id"
        return connection.execute(query).fetchall()


async def drop_streaming(client: httpx.AsyncClient, path: str, body: dict[str, object]) -> None:
    """Leave as soon as the first text is there."""
    async with client.stream("POST", path, json=body) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if "word" in line:
                return


async def drop_waiting(client: httpx.AsyncClient, script: ScriptedServer) -> None:
    """Leave while the whole answer is waited for."""
    before = len(script.requests)
    whole = asyncio.create_task(client.post("/v1/chat/completions", json={**BODY, "stream": False}))
    await until(lambda: len(script.requests) > before)
    whole.cancel()
    await asyncio.gather(whole, return_exceptions=True)


@pytest.mark.parametrize("how", ["chat", "generate", "responses", "whole"])
async def test_a_client_that_goes_away_ends_its_generation(
    site: tuple[SiteProcess, ScriptedServer], client: httpx.AsyncClient, how: str
) -> None:
    server, script = site
    known, dropped = len(records(server)), script.dropped
    script.enqueue(reply("", "word " * 2000), seconds_per_token=0.005)
    leave: dict[str, Callable[[], Awaitable[None]]] = {
        "chat": lambda: drop_streaming(client, "/v1/chat/completions", BODY),
        "generate": lambda: drop_streaming(client, "/api/generate", {"prompt": "Hi"}),
        "responses": lambda: drop_streaming(client, "/v1/responses", {"input": "Hi", "stream": True}),
        "whole": lambda: drop_waiting(client, script),
    }
    await leave[how]()
    await until(lambda: script.dropped > dropped)
    await until(lambda: len(records(server)) > known)
    outcome, tokens = records(server)[-1]
    assert outcome == "interrupted"
    assert tokens < 1000
    response = await client.post("/v1/chat/completions", json={**BODY, "stream": False})
    assert response.status_code == 200  # the gate is free


async def test_of_eight_at_once_as_many_are_answered_as_the_gate_is_wide(
    site: tuple[SiteProcess, ScriptedServer], client: httpx.AsyncClient
) -> None:
    server, script = site
    width = int(server.environment["MAX_CONCURRENT_GENERATIONS"])
    answer, go_on = reply("", "word " * 20), threading.Event()
    for _ in range(width):
        script.enqueue(answer, hold=go_on, hold_at=10)
    decided: list[int] = []

    async def ask() -> tuple[int, str, int]:
        """Status, Retry-After and how many words; nobody's answer goes on before all have begun or are refused."""
        async with client.stream("POST", "/v1/chat/completions", json=BODY) as response:
            words, is_decided = 0, False
            async for line in response.aiter_lines():
                words += line.count("word") if '"content":' in line else 0
                if not is_decided and (words or response.status_code == 429):
                    is_decided = True
                    decided.append(response.status_code)
                    if len(decided) == 8:
                        go_on.set()
            return response.status_code, response.headers.get("Retry-After", ""), words

    async with asyncio.timeout(30):
        got = await asyncio.gather(*(ask() for _ in range(8)))
    assert sorted(status for status, _retry, _words in got) == [200] * width + [429] * (8 - width)
    assert all(int(retry) > 0 for status, retry, _words in got if status == 429)
    assert {words for status, _retry, words in got if status == 200} == {20}


async def test_a_revoked_key_is_refused_at_once_also_on_an_open_connection(
    site: tuple[SiteProcess, ScriptedServer], client: httpx.AsyncClient
) -> None:
    server, _script = site
    secret = server.manage("create_api_key", "bob").stdout.strip().splitlines()[-1]
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await client.get("/v1/models", headers=headers)).status_code == 200
    with closing(sqlite3.connect(server.folder / "db.sqlite3", timeout=20)) as connection:
        connection.execute("UPDATE inference_apikey SET revoked_at = created_at WHERE prefix = ?", [secret[:7]])
        connection.commit()
    refused = await client.get("/v1/models", headers=headers)
    assert refused.status_code == 401
    assert json.loads(refused.text)["error"]["code"] == "invalid_api_key"
    assert (await client.get("/v1/models")).status_code == 200


async def test_a_browsers_session_may_use_the_api_with_its_token(site: tuple[SiteProcess, ScriptedServer]) -> None:
    server, _script = site
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as browser:
        await browser.get("/accounts/login/")
        form = {"username": "ann", "password": "correct-horse-7", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert (await browser.post("/accounts/login/", data=form)).status_code == 302
        assert (await browser.get("/v1/models")).status_code == 200
        assert (await browser.post("/api/generate", json={"prompt": "Hi"})).status_code == 403
        headers = {"X-CSRFToken": browser.cookies["csrftoken"]}
        answered = await browser.post("/api/generate", json={"prompt": "Hi"}, headers=headers)
        assert answered.status_code == 200
        assert '"event":"done"' in answered.text
