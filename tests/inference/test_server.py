"""The engine behind HTTP stays sane whatever the server says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine import STOP_TOKEN_IDS, VOCABULARY_SIZE, Sampling, Tokens
from inference.engines.completions import lines, steps_of, tokens_of
from inference.engines.server import ServerEngine
from inference.errors import (
    EngineDiedError,
    EngineFailedError,
    EngineNotReadyError,
    InferenceError,
    PromptError,
)
from inference.supervisor import Supervisor
from tests.engine_processes import free_port
from tests.inference.replay_server import HEAD, ReplayServer, answer, event

PROMPT = [1, 2, 3]

NASTY = {
    "plain": event([7]) + event([8], "stop") + b"data: [DONE]\n\n",
    "two ids at once": event([7, 8], "stop"),
    "no [DONE]": event([7]) + event([8], "stop"),
    "reason apart": event([7, 8]) + event([], "stop"),
    "reason with null ids": event([7, 8]) + event(None, "stop"),
    "CRLF": (event([7]) + event([8], "stop")).replace(b"\n", b"\r\n"),
    "CR": (event([7]) + event([8], "stop")).replace(b"\n", b"\r"),
    "no blank lines": (event([7]) + event([8], "stop")).replace(b"\n\n", b"\n"),
    "no space after the colon": (event([7]) + event([8], "stop")).replace(b"data: ", b"data:"),
    "comments": b": keep-alive\n\n" + event([7]) + b":\n\n" + event([8], "stop"),
    "other fields": b"id: 1\nevent: message\nretry: 5\nhello\n" + event([7, 8], "stop"),
    "usage": b'data: {"choices": [], "usage": {}}\n\n' + event([7, 8], "stop"),
    "no choices": b'data: {"id": "x"}\n\n' + event([7, 8], "stop"),
    "an empty step": event([]) + event(None) + event([7, 8], "stop"),
    "null error": b'data: {"error": null, "choices": []}\n\n' + event([7, 8], "stop"),
    "line separators in the text": event([7], text="a\u2028b\u2029c\x85d\x0be\x0cf\x1cg") + event([8], "stop"),
    "more after the end": event([7, 8], "stop") + event([9]) + b"data: nonsense\n\n",
    "no newline at the end": event([7, 8], "stop").rstrip(),
}

BROKEN = {
    "nothing": b"",
    "only [DONE]": b"data: [DONE]\n\n",
    "ended early": event([7]),
    "ended early with [DONE]": event([7]) + b"data: [DONE]\n\n",
    "cut in an event": event([7]) + event([8], "stop")[:40],
    "not JSON": b"data: {nonsense\n\n",
    "not UTF-8": b"data: \xff\xfe\n\n",
    "a list": b"data: [1, 2]\n\n",
    "a number": b"data: 5\n\n",
    "a choice that is none": b'data: {"choices": [5]}\n\n',
    "deep nesting": b"data: " + b"[" * 100_000 + b"\n\n",
    "too large an id": event([VOCABULARY_SIZE], "stop"),
    "negative id": event([-1], "stop"),
    "text for an id": event(["7"], "stop"),
    "boolean id": event([True], "stop"),
    "ids that are none": event(7, "stop"),
    "text without ids": event(None, text="Hello"),
    "unknown reason": event([7], "error"),
    "an abort nobody asked for": event([7], "abort"),
    "a reason that is none": event([7], ["stop"]),  # type: ignore[arg-type]
    "server error": b'data: {"error": {"message": "boom", "code": 500}}\n\n',
    "an error that is text": b'data: {"error": "boom"}\n\n',
}


@pytest.fixture
async def server() -> AsyncIterator[ReplayServer]:
    server = ReplayServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def engine(server: ReplayServer) -> AsyncIterator[ServerEngine]:
    engine = ServerEngine(server.url, "", "demo")
    await asyncio.to_thread(engine.start, lambda _: None)
    yield engine
    await asyncio.to_thread(engine.stop)


async def collect(engine: ServerEngine, sampling: Sampling | None = None, request_id: str = "1") -> list[Tokens]:
    return [step async for step in engine.generate(PROMPT, sampling or Sampling(9), request_id)]


def ids_of(steps: list[Tokens]) -> list[int]:
    return [token_id for step in steps for token_id in step.token_ids]


@pytest.mark.parametrize("size", [1, 7, 10_000], ids=["byte by byte", "seven by seven", "at once"])
@pytest.mark.parametrize("stream", NASTY.values(), ids=NASTY)
async def test_unusual_streams_are_understood(
    server: ReplayServer, engine: ServerEngine, stream: bytes, size: int
) -> None:
    server.chunks = [HEAD, *(stream[at : at + size] for at in range(0, len(stream), size))]
    steps = await collect(engine)
    assert ids_of(steps) == [7, 8]
    assert [step.finish_reason for step in steps if step.finish_reason] == ["stop"]
    assert steps[-1].finish_reason == "stop"


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN)
async def test_broken_streams_are_a_dead_engine(server: ReplayServer, engine: ServerEngine, stream: bytes) -> None:
    server.chunks = [HEAD, stream]
    with pytest.raises(EngineDiedError):
        await collect(engine)


async def test_ids_before_the_break_are_delivered(server: ReplayServer, engine: ServerEngine) -> None:
    server.chunks = [HEAD, event([7]), event([8])]
    stream = engine.generate(PROMPT, Sampling(9), "1")
    assert [await anext(stream), await anext(stream)] == [Tokens((7,)), Tokens((8,))]
    with pytest.raises(EngineDiedError):
        await anext(stream)


async def test_a_chunked_body_that_breaks_off_is_a_dead_engine(server: ReplayServer, engine: ServerEngine) -> None:
    body = event([7])
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.chunks = [head, b"%x\r\n%s\r\n" % (len(body), body)]
    with pytest.raises(EngineDiedError, match="connection"):
        await collect(engine)


async def test_something_that_is_not_http_is_a_dead_engine(server: ReplayServer, engine: ServerEngine) -> None:
    server.chunks = [b"SSH-2.0-OpenSSH\r\n"]
    with pytest.raises(EngineDiedError):
        await collect(engine)


async def test_an_error_in_the_stream_is_told_to_who_caused_it(server: ReplayServer, engine: ServerEngine) -> None:
    error = {"error": {"message": "The prompt is\ntoo long", "type": "BadRequestError", "code": 400}}
    server.chunks = [HEAD, b"data: " + json.dumps(error).encode() + b"\n\ndata: [DONE]\n\n"]
    with pytest.raises(PromptError, match="The prompt is too long"):
        await collect(engine)


@pytest.mark.parametrize(
    ("status", "body", "expected", "text"),
    [
        (400, b'{"error": {"message": "Too hot", "code": 400}}', PromptError, "Too hot"),
        (400, b'{"message": "Too hot", "object": "error", "code": 400}', PromptError, "Too hot"),
        (400, b"<html>Bad</html>", PromptError, "no reason"),
        (422, b'{"detail": "x"}', PromptError, "no reason"),
        (401, b'{"error": "Unauthorized"}', EngineNotReadyError, "VLLM_SERVER_API_KEY"),
        (403, b"", EngineNotReadyError, "VLLM_SERVER_API_KEY"),
        (404, b'{"error": {"message": "The model is gone", "code": 404}}', EngineNotReadyError, "is gone"),
        (429, b"{}", EngineNotReadyError, "moment"),
        (503, b"null", EngineNotReadyError, "moment"),
        (500, b'{"error": {"message": "boom", "code": 500}}', EngineDiedError, "boom"),
        (502, b"<html>Bad gateway</html>", EngineDiedError, "no reason"),
        (302, b"", EngineDiedError, "no reason"),
    ],
)
async def test_refusals_say_who_is_at_fault(
    server: ReplayServer,
    engine: ServerEngine,
    status: int,
    body: bytes,
    expected: type[InferenceError],
    text: str,
) -> None:
    server.chunks = [answer(status, body)]
    with pytest.raises(expected, match=text):
        await collect(engine)


async def test_the_request_asks_for_ids_and_fits_the_model(server: ReplayServer, engine: ServerEngine) -> None:
    server.chunks = [HEAD, event([7], "length")]
    await collect(engine, Sampling(5000, temperature=0.5, top_p=0.9, seed=3))
    await collect(engine, Sampling(10))
    assert server.requests[0] == {
        "model": "demo",
        "prompt": PROMPT,
        "max_tokens": 97,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop_token_ids": list(STOP_TOKEN_IDS),
        "return_token_ids": True,
        "stream": True,
    }
    assert server.requests[1]["max_tokens"] == 10
    assert "seed" not in server.requests[1]


async def test_a_schema_is_sent_with_the_control_tokens_that_no_string_may_hold(
    server: ReplayServer, engine: ServerEngine
) -> None:
    server.chunks = [HEAD, event([7], "stop")]
    await collect(engine, Sampling(10, json_schema='{ "type": "integer" }'))
    (request,) = server.requests
    assert request["structured_outputs"] == {"json": '{"type": "integer"}'}
    bias = request["logit_bias"]
    assert isinstance(bias, dict)
    assert {"199999", "200005", "200006", "200007", "200008"} <= bias.keys()
    assert not bias.keys() & set(map(str, STOP_TOKEN_IDS))
    assert set(bias.values()) == {-100}


async def test_the_key_is_sent_and_no_proxy_is_asked(server: ReplayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    server.chunks = [HEAD, event([7], "stop")]
    engine = ServerEngine(server.url, "secret", "demo")
    await asyncio.to_thread(engine.start, lambda _: None)
    assert ids_of(await collect(engine)) == [7]
    await asyncio.to_thread(engine.stop)
    posts = [head for head in server.heads if head.startswith("POST /v1/completions ")]
    assert len(posts) == 1
    assert all("authorization: bearer secret" in head.lower() for head in server.heads)


# Silence

silences = pytest.mark.parametrize(
    "chunks",
    [[], [b"HTTP/1.1 500 Status\r\nContent-Length: 9\r\n\r\n"], [HEAD], [HEAD, b": alive\n\n"], [HEAD, event([7])]],
    ids=["no answer", "no error text", "no token", "keep-alive alone", "one token"],
)


@silences
async def test_stop_ends_what_waits_for_a_silent_server(
    server: ReplayServer, engine: ServerEngine, chunks: list[bytes]
) -> None:
    server.chunks, server.hold = chunks, True
    reading = asyncio.create_task(collect(engine))
    await asyncio.wait_for(server.received.wait(), 5)
    await asyncio.to_thread(engine.stop)
    with pytest.raises(EngineDiedError, match="stopped answering"):
        await asyncio.wait_for(reading, 0.5)
    await asyncio.wait_for(server.dropped.wait(), 1)


@silences
async def test_abort_drops_the_connection(server: ReplayServer, engine: ServerEngine, chunks: list[bytes]) -> None:
    server.chunks, server.hold = chunks, True
    reading = asyncio.create_task(collect(engine))
    await asyncio.wait_for(server.received.wait(), 5)
    await engine.abort("1")
    steps = await asyncio.wait_for(reading, 0.2)
    assert steps[-1] == Tokens((), "abort")
    await asyncio.wait_for(server.dropped.wait(), 1)
    assert engine.is_healthy()


async def test_abort_between_two_steps_ends_the_stream(server: ReplayServer, engine: ServerEngine) -> None:
    server.chunks, server.hold = [HEAD, event([7])], True
    stream = engine.generate(PROMPT, Sampling(9), "1")
    assert await anext(stream) == Tokens((7,))
    await engine.abort("1")
    assert await anext(stream) == Tokens((), "abort")
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await asyncio.wait_for(server.dropped.wait(), 1)


async def test_a_second_abort_and_a_stop_are_harmless(server: ReplayServer, engine: ServerEngine) -> None:
    server.hold = True
    reading = asyncio.create_task(collect(engine))
    await asyncio.wait_for(server.received.wait(), 5)
    await engine.abort("1")
    await engine.abort("1")
    engine.stop()
    assert await asyncio.wait_for(reading, 0.2) == [Tokens((), "abort")]


async def test_abort_leaves_out_what_is_buffered(server: ReplayServer, engine: ServerEngine) -> None:
    server.chunks, server.hold = [HEAD, event([7]) * 1000], True
    stream = engine.generate(PROMPT, Sampling(9), "1")
    await anext(stream)
    await engine.abort("1")
    assert [step async for step in stream] == [Tokens((), "abort")]


async def test_cancelling_drops_the_connection(server: ReplayServer, engine: ServerEngine) -> None:
    server.hold = True
    reading = asyncio.create_task(collect(engine))
    await asyncio.wait_for(server.received.wait(), 5)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.wait_for(server.dropped.wait(), 1)


async def test_the_end_of_the_answer_drops_the_connection(server: ReplayServer, engine: ServerEngine) -> None:
    server.chunks, server.hold = [HEAD, event([7], "stop")], True
    assert ids_of(await collect(engine)) == [7]
    await asyncio.wait_for(server.dropped.wait(), 1)


async def test_closing_the_generator_drops_the_connection(server: ReplayServer, engine: ServerEngine) -> None:
    server.chunks, server.hold = [HEAD, event([7])], True
    async with aclosing(engine.generate(PROMPT, Sampling(9), "1")) as stream:
        await anext(stream)
    await asyncio.wait_for(server.dropped.wait(), 1)


# Start and health


@pytest.mark.parametrize(
    ("models", "fix"),
    [
        (answer(401, b""), "VLLM_SERVER_API_KEY"),
        (answer(404, b""), "VLLM_SERVER_URL"),
        (answer(500, b""), "VLLM_SERVER_URL"),
        (answer(200, b"<html>"), "VLLM_SERVER_URL"),
        (answer(200, b"{}"), "VLLM_SERVER_URL"),
        (answer(200, b'{"data": null}'), "VLLM_SERVER_URL"),
        (answer(200, b'{"data": []}'), "none"),
        (answer(200, b'{"data": [{"id": "one"}, {"id": "two"}]}'), "one, two"),
        (b"nonsense", "VLLM_SERVER_URL"),
    ],
)
async def test_a_server_that_cannot_be_used_is_named_with_a_fix(server: ReplayServer, models: bytes, fix: str) -> None:
    server.models = models
    with pytest.raises(EngineFailedError) as caught:
        await asyncio.to_thread(ServerEngine(server.url, "", "demo").start, lambda _: None)
    assert server.url in caught.value.reason
    assert fix in caught.value.fix
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1", "ftp://127.0.0.1", "http://", "http://[", "http://host:port"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(EngineFailedError, match="VLLM_SERVER_URL"):
        ServerEngine(url, "", "demo").start(lambda _: None)


def test_a_server_that_does_not_run_is_named_without_its_password() -> None:
    with pytest.raises(EngineFailedError, match=r"at http://127.0.0.1:\d+ cannot be reached") as caught:
        ServerEngine(f"http://user:secret@127.0.0.1:{free_port()}/v1/", "", "demo").start(lambda _: None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_any_form_of_the_address_will_do(server: ReplayServer, suffix: str) -> None:
    engine = ServerEngine(server.url + suffix, "", "demo")
    facts = await asyncio.to_thread(engine.start, lambda _: None)
    await asyncio.to_thread(engine.stop)
    assert (facts.model, facts.max_model_len) == ("demo", 100)


async def test_the_only_model_is_used_whatever_its_name(server: ReplayServer) -> None:
    engine = ServerEngine(server.url, "", "openai/gpt-oss-20b")
    facts = await asyncio.to_thread(engine.start, lambda _: None)
    await asyncio.to_thread(engine.stop)
    assert facts.model == "demo"


async def test_a_server_that_goes_away_while_idle_is_noticed(
    server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.engines.server.PROBE_SECONDS", 0.05)
    engine = ServerEngine(server.url, "", "demo")
    await asyncio.to_thread(engine.start, lambda _: None)
    assert engine.is_healthy()
    await server.stop()
    deadline = time.monotonic() + 5
    while engine.is_healthy():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    with pytest.raises(EngineNotReadyError):
        await collect(engine)
    await server.start()


async def test_a_broken_answer_of_a_server_that_lives_leaves_the_engine_healthy(
    server: ReplayServer, engine: ServerEngine
) -> None:
    server.chunks = [HEAD, event([7])]
    with pytest.raises(EngineDiedError):
        await collect(engine)
    asked = len(server.heads)
    deadline = time.monotonic() + 5
    while len(server.heads) == asked:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert engine.is_healthy()


async def test_a_frozen_server_is_found_out(server: ReplayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.engines.server.START_ANSWER_SECONDS", 0.1)
    server.is_frozen = True
    with pytest.raises(EngineFailedError, match="does not answer within") as caught:
        await asyncio.to_thread(ServerEngine(server.url, "", "demo").start, lambda _: None)
    assert "restart it" in caught.value.fix


async def test_a_frozen_server_is_noticed_while_idle(server: ReplayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.engines.server.PROBE_SECONDS", 0.05)
    monkeypatch.setattr("inference.engines.server.PROBE_ANSWER_SECONDS", 0.1)
    engine = ServerEngine(server.url, "", "demo")
    await asyncio.to_thread(engine.start, lambda _: None)
    server.is_frozen = True
    deadline = time.monotonic() + 5
    while engine.is_healthy():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    await asyncio.to_thread(engine.stop)


# What the supervisor makes of it


@pytest.fixture
async def supervisor(server: ReplayServer) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(ServerEngine(server.url, "", "demo"), is_remote=True, poll_seconds=0.01)
    supervisor.start_in_background()
    await asyncio.wait_for(supervisor.usable(), 5)
    yield supervisor
    await asyncio.to_thread(supervisor.stop)


async def test_a_server_in_doubt_that_answers_goes_on(server: ReplayServer, supervisor: Supervisor) -> None:
    server.chunks, server.hold = [HEAD, event([7])], True
    stream = supervisor.engine.generate(PROMPT, Sampling(9), "1")
    assert await anext(stream) == Tokens((7,))
    rest = asyncio.create_task(anext(stream))
    asked = len(server.heads)
    supervisor.restart("No token for a minute.")
    with pytest.raises(EngineNotReadyError):
        _ = supervisor.engine
    engine = await asyncio.wait_for(supervisor.usable(), 5)
    assert len(server.heads) == asked + 1
    assert not rest.done(), "the requests of others go on"
    await engine.abort("1")
    assert await asyncio.wait_for(rest, 1) == Tokens((), "abort")


async def test_a_server_in_doubt_that_is_frozen_is_given_up_until_it_answers(
    server: ReplayServer, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.engines.server.START_ANSWER_SECONDS", 0.1)
    server.chunks, server.hold = [HEAD, event([7])], True
    stream = supervisor.engine.generate(PROMPT, Sampling(9), "1")
    assert await anext(stream) == Tokens((7,))
    server.is_frozen = True
    supervisor.restart("No token for a minute.")
    with pytest.raises(EngineDiedError):
        await asyncio.wait_for(anext(stream), 2)
    assert supervisor.status.state == "failed"
    assert "does not answer" in supervisor.status.reason
    waiting = asyncio.create_task(supervisor.usable())
    server.is_frozen = False
    assert await asyncio.wait_for(waiting, 5) is supervisor.engine


# The stream's grammar


@given(st.binary())
def test_no_line_surprises(line: bytes) -> None:
    for candidate in (line, b"data:" + line):
        try:
            tokens = tokens_of(candidate)
        except InferenceError:
            continue
        assert tokens is None or isinstance(tokens, Tokens)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["choices", "token_ids", "finish_reason", "text", "error", "code"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_event_surprises(value: object) -> None:
    with suppress(InferenceError):
        tokens_of(b"data: " + json.dumps(value).encode())


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_lines_do_not_depend_on_the_chunks(chunks: list[bytes]) -> None:
    async def split(pieces: list[bytes]) -> list[bytes]:
        async def source() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        return [line async for complete in lines(source()) for line in complete if line]

    assert asyncio.run(split(chunks)) == asyncio.run(split([b"".join(chunks)]))


def test_what_came_before_an_error_in_the_same_chunk_counts() -> None:
    events = [{"choices": [{"token_ids": [number], "finish_reason": None}]} for number in (1, 2)]
    steps = steps_of(b"data: " + json.dumps(event).encode() for event in [*events, {"error": {"message": "broken"}}])
    assert next(steps) == Tokens((1, 2))
    with pytest.raises(EngineDiedError, match="broken"):
        next(steps)
