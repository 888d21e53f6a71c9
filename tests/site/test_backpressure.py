"""Clients that read nothing, or send without an end: the process stays as small as it was, and others do not notice."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from uuid import UUID

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from localai_site import backpressure
from tests.conftest import NewSite
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import SiteProcess
from tests.viewer import Person, Viewer

MEGABYTE = 1024 * 1024
ROOM_MEGABYTES = 16
"""By which a process may grow: what waits for one client, and what Python keeps for later."""

TOO_LARGE, GONE = 1009, 1006
"""How a socket is closed; a client that still sends may not hear the reason."""

WORDS = "word " * 20_000


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedServer]:
    server = ScriptedServer().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def small_site(new_site: NewSite, engine: ScriptedServer) -> Iterator[SiteProcess]:
    site = new_site(ENGINE="vllm-server", VLLM_SERVER_URL=engine.url, MODEL_NAME="scripted", MAX_CONTEXT_TOKENS="60000")
    try:
        yield site.start().wait_ready()
    finally:
        site.stop()


@pytest.fixture(scope="module")
def ann(small_site: SiteProcess) -> Person:
    return Person(small_site)


def megabytes(site: SiteProcess) -> float:
    return float(psutil.Process(site.pid).memory_info().rss / MEGABYTE)


async def long_conversation(site: SiteProcess, engine: ScriptedServer, ann: Person) -> str:
    """Its path; to show it takes more than a megabyte."""
    path = ann.new_conversation(site)
    engine.enqueue(reply(answer="An answer."))
    async with Viewer(ann, site, path) as viewer:
        await viewer.ask("Hello")
        await viewer.until_ended()
    with closing(sqlite3.connect(site.folder / "db.sqlite3", timeout=20)) as connection, connection:
        text = "A line of some words.\n\n" * 20_000
        query = "UPDATE chat_message SET text = ?, html = '' WHERE conversation_id = ?"
        connection.execute(query, (text, UUID(path.split("/")[2]).hex))
    return path


async def test_a_page_that_reads_nothing(small_site: SiteProcess, engine: ScriptedServer, ann: Person) -> None:
    path = await long_conversation(small_site, engine, ann)
    async with Viewer(ann, small_site, path) as viewer:
        for _time in range(5):  # what showing it takes at all
            await viewer.act("version")
            await viewer.until(lambda it: it.alert == "")
            await viewer.act("nonsense")
            await viewer.until(lambda it: it.alert != "")
        before = megabytes(small_site)
        message = viewer.message
        viewer.stall()
        for _time in range(25):
            await viewer.act_on(message, "version")
        for _time in range(20):
            await asyncio.sleep(0.1)
            assert megabytes(small_site) < before + ROOM_MEGABYTES
        viewer.go_on()
        await viewer.act_on(message, "nonsense")
        await viewer.until(lambda it: it.alert != "")


async def test_a_page_that_sends_without_an_end(small_site: SiteProcess, ann: Person) -> None:
    path = ann.new_conversation(small_site)
    before = megabytes(small_site)
    async with Viewer(ann, small_site, path) as viewer, Viewer(ann, small_site, path) as other:
        with suppress(ConnectionClosed):
            for _time in range(5_000):
                await viewer.send("x" * 100_000)
        assert viewer.is_cut
        assert megabytes(small_site) < before + 3 * ROOM_MEGABYTES
        await other.send("nonsense")
        await other.until(lambda it: it.alert != "")


async def test_a_frame_that_is_too_large(small_site: SiteProcess, ann: Person) -> None:
    path = ann.new_conversation(small_site)
    before = megabytes(small_site)
    async with Viewer(ann, small_site, path) as viewer:
        with suppress(ConnectionClosed):
            await viewer.send("x" * 50 * MEGABYTE)
        await viewer.until(lambda it: it.is_cut)
        assert viewer.close_code in (None, TOO_LARGE, GONE)
    assert megabytes(small_site) < before + ROOM_MEGABYTES


async def test_a_program_that_reads_nothing(small_site: SiteProcess, engine: ScriptedServer, ann: Person) -> None:
    """What it has not read is not asked of the process; once it reads, nothing is missing."""
    key = small_site.manage("create_api_key", "ann").stdout.strip().splitlines()[-1]
    engine.enqueue(reply(answer=WORDS))
    body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True, "max_tokens": 50_000}
    headers = {"Authorization": f"Bearer {key}"}
    before = megabytes(small_site)
    async with (
        httpx.AsyncClient(base_url=small_site.url, headers=headers, trust_env=False, timeout=60) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as response,
    ):
        for _time in range(30):
            await asyncio.sleep(0.1)
            assert megabytes(small_site) < before + ROOM_MEGABYTES
        lines = [line async for line in response.aiter_lines()]
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in told if each["choices"]) == WORDS


class Pipe:
    """A transport whose other end takes `taken` bytes at each look."""

    def __init__(self, waiting: int, taken: int) -> None:
        self.dataBuffer = b""
        self.offset = 0
        self.connected = True
        self._waiting = waiting
        self._taken = taken

    @property
    def _tempDataLen(self) -> int:  # noqa: N802 (Twisted's name)
        self._waiting -= self._taken
        return self._waiting

    def abortConnection(self) -> None:  # noqa: N802 (Twisted's name)
        self.connected = False


async def test_patience_ends_where_nothing_is_taken_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backpressure, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(backpressure, "LOOK_SECONDS", 0.01)
    dead, slow = Pipe(10 * MEGABYTE, 0), Pipe(10 * MEGABYTE, MEGABYTE // 4)
    for pipe in (dead, slow):
        await backpressure._drain(pipe)
    assert (dead.connected, slow.connected) == (False, True)
