"""Several servers as one engine: where requests go, and what happens when servers come and go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import date

import pytest
from pytest_django import Settings

from inference.engine import Sampling
from inference.engines import member
from inference.engines.member import Member, best
from inference.engines.pool import ServerPool, servers_at
from inference.engines.server import ServerEngine
from inference.errors import EngineDiedError, EngineFailedError, EngineNotReadyError, PromptError
from inference.gate import get_gate
from inference.generation import admit
from inference.models import Source
from inference.request import Request
from inference.supervisor import get_supervisor
from inference.usage import Caller
from tests.scripted_server import Script, ScriptedServer, harmony, reply
from tests.site_process import free_port

PROMPT = list(range(200))
ANSWER = reply("", "One two three.")


@pytest.fixture
def servers() -> Iterator[list[ScriptedServer]]:
    servers = [ScriptedServer(default=Script(ANSWER)).start() for _ in range(3)]
    yield servers
    for server in servers:
        server.stop()


def pool_of(*urls: str) -> ServerPool:
    return ServerPool([ServerEngine(url, "", "scripted") for url in urls], ask_again_seconds=0.02)


def keepers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "keeper" in thread.name}


@pytest.fixture
def other_keepers() -> set[threading.Thread]:
    """Those of pools that other tests have."""
    return keepers()


@pytest.fixture
async def pool(servers: list[ScriptedServer]) -> AsyncIterator[ServerPool]:
    pool = pool_of(*(server.url for server in servers))
    await asyncio.to_thread(pool.start, lambda _: None)
    yield pool
    await asyncio.to_thread(pool.stop)


async def collect(pool: ServerPool, prompt: list[int] | None = None, request_id: str = "1") -> list[int]:
    stream = pool.generate(prompt or PROMPT, Sampling(100), request_id)
    return [token_id async for tokens in stream for token_id in tokens.token_ids]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def counts(servers: list[ScriptedServer]) -> list[int]:
    return [len(server.requests) for server in servers]


def hold_all(servers: list[ScriptedServer]) -> threading.Event:
    """Every answer stays at its third token until the event is set."""
    hold = threading.Event()
    for server in servers:
        server.default = Script(ANSWER, hold=hold, hold_at=3)
    return hold


async def test_the_least_busy_gets_the_next_request(pool: ServerPool, servers: list[ScriptedServer]) -> None:
    hold = hold_all(servers)
    answers = [asyncio.create_task(collect(pool, request_id=str(number))) for number in range(6)]
    await until(lambda: sum(counts(servers)) == 6)
    assert counts(servers) == [2, 2, 2]
    hold.set()
    assert await asyncio.gather(*answers) == [ANSWER] * 6


async def test_a_conversation_stays_where_its_beginning_is(pool: ServerPool, servers: list[ScriptedServer]) -> None:
    for length in (150, 180, 400):
        await collect(pool, [7] * 64 + list(range(length)))
    assert sorted(counts(servers)) == [0, 0, 3]
    for number in range(40):
        await collect(pool, [7] * 64 + [number] * 100)
    assert all(counts(servers))


async def test_one_that_is_down_is_left_out_until_it_is_up(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    late, well = ScriptedServer(), ScriptedServer().start()
    pool = pool_of(f"http://127.0.0.1:{port}", well.url)
    facts = await asyncio.to_thread(pool.start, lambda _: None)
    try:
        assert facts.details == {"server": well.url, "server left out": f"http://127.0.0.1:{port}"}
        for number in range(10):
            await collect(pool, [number] * 9)
        late.start(port)
        await until(lambda: facts.details["server left out"] == "–")
        for number in range(40):
            await collect(pool, [number] * 9)
        assert len(late.requests) > 5
        assert [record.levelname for record in caplog.records if "is left out" in record.message] == ["WARNING"]
        late.stop()
        well.stop()
        with pytest.raises(EngineNotReadyError):
            await collect(pool)
        await until(lambda: not pool.is_healthy())
        with pytest.raises(EngineFailedError):
            await asyncio.to_thread(pool.start, lambda _: None)
    finally:
        pool.stop()
        late.stop()
        well.stop()


async def test_one_in_doubt_is_passed_over(servers: list[ScriptedServer]) -> None:
    members = [Member(ServerEngine(server.url, "", "scripted"), is_admitted=True) for server in servers]
    await asyncio.gather(*(asyncio.to_thread(each.ask) for each in members))
    first = best(members, PROMPT)
    first.is_doubted.set()
    second = best(members, PROMPT)
    second.server.stop()
    assert len({first, second, best(members, PROMPT)}) == 3
    assert best([first], PROMPT) is first
    for each in members:
        each.server.stop()


async def test_who_finds_a_server_away_or_full_is_served_by_the_next(
    pool: ServerPool, servers: list[ScriptedServer]
) -> None:
    servers[0].stop()
    servers[1].default = Script([], status=503)
    for number in range(12):
        assert await collect(pool, [number] * 9) == ANSWER
    assert len(servers[2].requests) == 12
    assert pool.is_healthy()


async def test_a_refused_prompt_is_tried_nowhere_else(pool: ServerPool, servers: list[ScriptedServer]) -> None:
    for server in servers:
        server.refusal = "too odd"
    with pytest.raises(PromptError):
        await collect(pool)
    assert sum(counts(servers)) == 1
    with pytest.raises(PromptError):
        await collect(pool, [-1])


async def test_one_that_dies_tells_its_readers_and_gets_no_more(
    pool: ServerPool, servers: list[ScriptedServer]
) -> None:
    hold_all(servers)
    stream = pool.generate(PROMPT, Sampling(100), "1")
    assert (await anext(stream)).token_ids[0] == ANSWER[0]
    (dying,) = (server for server in servers if server.requests)
    dying.stop()
    with pytest.raises(EngineDiedError):
        async for _ in stream:
            pass
    for server in servers:
        server.default = Script(ANSWER)
    assert await collect(pool) == ANSWER
    assert len(dying.requests) == 1


async def test_an_answer_goes_on_at_another_server_with_its_last_token(
    servers: list[ScriptedServer], settings: Settings, db: None
) -> None:
    settings.ENGINE, settings.MODEL_NAME = "vllm-server", "scripted"
    settings.VLLM_SERVER_URL = ",".join(server.url for server in servers)
    get_supervisor.cache_clear()
    get_gate.cache_clear()
    get_supervisor().start_in_background()
    try:
        await asyncio.to_thread(get_supervisor().wait_ready, 20)
        half = harmony("<|channel|>final<|message|>Half an ans")
        for server in servers:
            server.default = Script(
                [*half, *harmony("wer.")], finish_reason=None, hold=threading.Event(), hold_at=len(half)
            )
        text, others = "", servers
        async with admit(Request("Hello", date(2026, 1, 2)), Caller(Source.COMMAND)) as generation:
            async for deltas in generation.deltas():
                text += "".join(delta.text for delta in deltas)
                if text == "Half an ans":
                    (dying,) = (server for server in servers if server.requests)
                    others = [server for server in servers if server is not dying]
                    for server in others:
                        server.default = Script(harmony("wer, whole.<|return|>"))
                    dying.stop()
        assert (generation.facts.outcome, text) == ("complete", "Half an answer, whole.")
        (request,) = (request for server in others for request in server.requests)
        assert request["prompt"] == [*generation.prompt.token_ids, *half]
        assert get_supervisor().status.state == "ready"
    finally:
        await asyncio.to_thread(get_supervisor().stop)
        get_supervisor.cache_clear()
        get_gate.cache_clear()


async def test_different_models_are_refused_with_their_names(servers: list[ScriptedServer]) -> None:
    servers[0].model, servers[1].model = "gpt-oss-20b", "gpt-oss-120b"
    pool = servers_at(f"{servers[0].url}, {servers[1].url}", "", "openai/gpt-oss")
    with pytest.raises(EngineFailedError, match=r"gpt-oss-20b \(.*gpt-oss-120b \(.*--served-model-name"):
        await asyncio.to_thread(pool.start, lambda _: None)
    assert not pool.is_healthy()
    await asyncio.to_thread(pool.stop)


async def test_a_different_model_that_comes_later_is_left_out(
    servers: list[ScriptedServer], caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    pool = ServerPool(
        [ServerEngine(url, "", "other") for url in (servers[0].url, f"http://127.0.0.1:{port}")], ask_again_seconds=0.02
    )
    late = ScriptedServer(model="another")
    try:
        await asyncio.to_thread(pool.start, lambda _: None)
        late.start(port)
        await until(lambda: "it serves another" in caplog.text)
        for number in range(10):
            assert await collect(pool, [number] * 9) == ANSWER
    finally:
        await asyncio.to_thread(pool.stop)
        late.stop()


async def test_the_shortest_length_holds_for_all(servers: list[ScriptedServer]) -> None:
    servers[1].max_model_len = 300
    pool = pool_of(*(server.url for server in servers))
    try:
        facts = await asyncio.to_thread(pool.start, lambda _: None)
        assert facts.max_model_len == 300
        for number in range(100):
            await collect(pool, [number] * 290)
            with pytest.raises(PromptError, match="less than 300"):
                await collect(pool, [number] * 300)
            if min(counts(servers)) > 0:  # each beginning has a server of its own; which one is chance
                break
        assert {request["max_tokens"] for server in servers for request in server.requests} == {10}
        assert min(counts(servers)) > 0
    finally:
        await asyncio.to_thread(pool.stop)


async def test_abort_reaches_the_server_that_has_the_request(pool: ServerPool, servers: list[ScriptedServer]) -> None:
    hold = hold_all(servers)
    answers = {name: asyncio.create_task(collect(pool, request_id=name)) for name in "abc"}
    await until(lambda: counts(servers) == [1, 1, 1])
    await pool.abort("b")
    await pool.abort("nobody")
    assert await asyncio.wait_for(answers["b"], 1) == ANSWER[:3]
    await until(lambda: sum(server.dropped for server in servers) == 1)
    hold.set()
    assert await answers["a"] == await answers["c"] == ANSWER


async def test_one_that_was_silent_is_the_last_choice(
    pool: ServerPool, servers: list[ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_all(servers)
    async with aclosing(pool.generate(PROMPT, Sampling(100), "1")) as stream:
        seen: list[int] = []
        while len(seen) < 3:  # all that come before the hold, in one step or in several
            seen += (await anext(stream)).token_ids
        monkeypatch.setattr(member, "SILENT_SECONDS", -1)
    (silent,) = (server for server in servers if server.requests)
    for server in servers:
        server.default = Script(ANSWER)
    for _ in range(3):
        assert await collect(pool) == ANSWER
    assert len(silent.requests) == 1
    for server in servers:
        if server is not silent:
            server.stop()
    assert await collect(pool) == ANSWER


async def test_the_metrics_of_all_are_one_text(pool: ServerPool, servers: list[ScriptedServer]) -> None:
    for number, server in enumerate(servers[:2]):
        server.metrics = f"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running {number}\n"
    text = await pool.metrics()
    assert text.count("# TYPE vllm:num_requests_running gauge") == 1
    for number, server in enumerate(servers[:2]):
        assert f'vllm:num_requests_running{{server="{server.url}"}} {number}.0' in text


async def test_stop_ends_requests_and_threads(
    other_keepers: set[threading.Thread], pool: ServerPool, servers: list[ScriptedServer]
) -> None:
    assert keepers() - other_keepers
    hold_all(servers)
    stream = pool.generate(PROMPT, Sampling(100), "1")
    await anext(stream)
    await asyncio.to_thread(pool.stop)
    with pytest.raises(EngineDiedError):
        async for _ in stream:
            pass
    with pytest.raises(EngineNotReadyError):
        await collect(pool)
    await until(lambda: keepers() <= other_keepers)
    assert not pool.is_healthy()


def test_one_address_needs_no_pool() -> None:
    assert isinstance(servers_at("http://a:1/v1, http://a:1/v1,", "", "m"), ServerEngine)
    assert isinstance(servers_at("http://a:1,http://b:1", "", "m"), ServerPool)
