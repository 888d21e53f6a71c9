"""What all engines promise, on the real vLLM."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from types import SimpleNamespace
from uuid import uuid4

import psutil
import pytest

from inference.engine import STOP_TOKEN_IDS, VOCABULARY_SIZE, Engine, Sampling, Tokens
from inference.errors import (
    EngineDiedError,
    EngineError,
    EngineFailedError,
    EngineNotReadyError,
    InferenceError,
    PromptError,
)
from inference.vocabulary import encoding
from tests.engine_processes import MAX_MODEL_LEN, LocalProcess, PoolProcess, ServerProcess

PROMPT = [200006, 1428, 200008, 13225, 200007, 200006, 173781]
"""A user's "Hello", and the start of the assistant's message."""

ENDLESS = Sampling(max_tokens=3000, temperature=2.0, seed=1)
"""Hot enough to wander for hundreds of tokens before a stop token is drawn."""

Process = LocalProcess | ServerProcess | PoolProcess


@pytest.fixture(scope="session")
def pool_process(server_process: ServerProcess) -> Iterator[PoolProcess]:
    process = PoolProcess(server_process)
    yield process
    process.engine.stop()


@pytest.fixture(params=["local", "server", "pool"])
def process(request: pytest.FixtureRequest) -> Process:
    found: Process = request.getfixturevalue(f"{request.param}_process")
    if isinstance(found, PoolProcess):
        found.reconnect()  # others end its server
    return found


@pytest.fixture(params=["local", "server"])
def mortal_process(request: pytest.FixtureRequest) -> LocalProcess | ServerProcess:
    """What can be killed; a pool's deaths have tests of their own, for real ones take long to start again."""
    found: LocalProcess | ServerProcess = request.getfixturevalue(f"{request.param}_process")
    return found


@pytest.fixture
def engine(process: Process) -> Engine:
    return process.engine


async def collect(
    engine: Engine, sampling: Sampling, prompt: list[int] | None = None, request_id: str = ""
) -> list[Tokens]:
    stream = engine.generate(PROMPT if prompt is None else prompt, sampling, request_id or str(uuid4()))
    return [tokens async for tokens in stream]


def ids_of(steps: list[Tokens]) -> list[int]:
    return [token_id for step in steps for token_id in step.token_ids]


async def wait_for_running(process: Process, number: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while await process.running_requests() != number:
        assert time.monotonic() < deadline, f"{await process.running_requests()} requests run, not {number}"
        await asyncio.sleep(0.01)


def written(metrics: str) -> float:
    """Of one of its servers: a pool may have the same one twice."""
    return max(float(n) for n in re.findall(r"^vllm:generation_tokens_total\{.*\} (\S+)$", metrics, re.MULTILINE))


async def test_its_metrics_count_the_tokens_that_it_wrote(process: Process, engine: Engine) -> None:
    before = written(await engine.metrics())
    ids = ids_of(await collect(engine, Sampling(max_tokens=20, temperature=2.0, seed=1)))
    await wait_for_running(process, 0, 5)
    async with asyncio.timeout(5):
        while written(metrics := await engine.metrics()) < before + len(ids):
            await asyncio.sleep(0.05)
    assert written(metrics) == before + len(ids)
    assert "process_" not in metrics


async def test_streams_ids_and_ends_with_one_reason(engine: Engine) -> None:
    steps = await collect(engine, Sampling(max_tokens=20, temperature=2.0, seed=1))
    assert len(steps) > 5
    assert all(0 <= token_id < VOCABULARY_SIZE for token_id in ids_of(steps))
    assert [step.finish_reason for step in steps[:-1]] == [None] * (len(steps) - 1)
    assert steps[-1].finish_reason == "length"
    assert len(ids_of(steps)) == 20


async def test_stop_token_is_among_the_ids(engine: Engine) -> None:
    steps = await collect(engine, Sampling(max_tokens=1000, temperature=0))
    assert steps[-1].finish_reason == "stop"
    assert ids_of(steps)[-1] in STOP_TOKEN_IDS


async def test_an_answer_ends_with_the_model_s_length(engine: Engine) -> None:
    prompt = [1000 + number % 500 for number in range(MAX_MODEL_LEN - 4)]
    steps = await collect(engine, Sampling(max_tokens=100, temperature=2.0, seed=1), prompt)
    assert steps[-1].finish_reason == "length"
    assert len(ids_of(steps)) == 4


async def test_long_prompts_with_seeds_run_side_by_side(engine: Engine) -> None:
    """More prompt tokens than vLLM takes in one step: in pieces they would kill it on a CPU."""
    prompts = [[2000 + seed] * (MAX_MODEL_LEN - 10) for seed in range(3)]
    answers = await asyncio.gather(
        *(collect(engine, Sampling(5, temperature=2.0, seed=1), prompt) for prompt in prompts)
    )
    assert [len(ids_of(answer)) for answer in answers] == [5] * 3


async def test_the_same_seed_gives_the_same_ids(engine: Engine) -> None:
    first = await collect(engine, Sampling(30, temperature=2.0, seed=7))
    again = await collect(engine, Sampling(30, temperature=2.0, seed=7))
    other = await collect(engine, Sampling(30, temperature=2.0, seed=8))
    assert ids_of(first) == ids_of(again) != ids_of(other)


async def test_both_engines_give_the_same_ids(local_process: LocalProcess, server_process: ServerProcess) -> None:
    local = await collect(local_process.engine, Sampling(40, temperature=0))
    assert ids_of(local) == ids_of(await collect(server_process.engine, Sampling(40, temperature=0)))


async def test_requests_run_side_by_side(process: Process) -> None:
    async with asyncio.timeout(20):
        streams = [process.engine.generate(PROMPT, ENDLESS, str(uuid4())) for _ in range(4)]
        for stream in streams:
            await anext(stream)
        await wait_for_running(process, 4, seconds=5)
        assert ids_of([await anext(stream) for stream in streams])
        for stream in streams:
            await stream.aclose()
    await wait_for_running(process, 0, seconds=1)


async def test_abort_ends_the_stream_at_once(process: Process) -> None:
    request_id = str(uuid4())
    steps: list[Tokens] = []
    aborted_at = 0.0
    async for tokens in process.engine.generate(PROMPT, ENDLESS, request_id):
        steps.append(tokens)
        if len(steps) == 3:
            aborted_at = time.monotonic()
            await process.engine.abort(request_id)
    assert time.monotonic() - aborted_at < 0.2
    assert steps[-1].finish_reason == "abort"
    assert len(steps) < 10
    await wait_for_running(process, 0, seconds=1)


async def test_abort_from_another_task_ends_a_waiting_stream(process: Process) -> None:
    request_id = str(uuid4())
    reading = asyncio.create_task(collect(process.engine, ENDLESS, request_id=request_id))
    await wait_for_running(process, 1, seconds=5)
    await process.engine.abort(request_id)
    steps = await asyncio.wait_for(reading, 0.2)
    assert steps[-1].finish_reason == "abort"
    await wait_for_running(process, 0, seconds=1)


async def test_abort_of_an_unknown_request_is_ignored(engine: Engine) -> None:
    await engine.abort("nobody")
    assert engine.is_healthy()


async def test_cancelling_the_task_frees_the_engine(process: Process) -> None:
    reading = asyncio.create_task(collect(process.engine, ENDLESS))
    await wait_for_running(process, 1, seconds=5)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await wait_for_running(process, 0, seconds=1)


async def test_closing_the_generator_frees_the_engine(process: Process) -> None:
    async with aclosing(process.engine.generate(PROMPT, ENDLESS, str(uuid4()))) as stream:
        await anext(stream)
        await wait_for_running(process, 1, seconds=5)
    await wait_for_running(process, 0, seconds=1)


@pytest.mark.parametrize(
    "prompt",
    [[], [VOCABULARY_SIZE], [-1], [5] * MAX_MODEL_LEN, [5] * (MAX_MODEL_LEN * 2)],
    ids=["empty", "too large an id", "negative id", "as long as the model", "twice as long"],
)
async def test_a_prompt_that_would_harm_is_refused(engine: Engine, prompt: list[int]) -> None:
    with pytest.raises(PromptError):
        await collect(engine, Sampling(5), prompt)
    assert ids_of(await collect(engine, Sampling(5, temperature=2.0, seed=1)))


@pytest.mark.parametrize("value", ["many", None, float("nan")])
async def test_wrong_sampling_values_never_reach_the_engine(engine: Engine, value: object) -> None:
    with pytest.raises(PromptError):
        Sampling(max_tokens=value)  # type: ignore[arg-type]
    floating = Sampling(max_tokens=5.0, temperature=2, seed=1.0)  # type: ignore[arg-type]
    assert len(ids_of(await asyncio.wait_for(collect(engine, floating), 10))) == 5


COLOURS = {
    "type": "object",
    "properties": {
        "colours": {"type": "array", "items": {"enum": ["red", "grün", 'a "b"']}, "minItems": 1, "maxItems": 3},
        "count": {"type": "integer", "minimum": -20, "maximum": 300},
        "is_new": {"type": "boolean"},
    },
    "required": ["colours", "count", "is_new"],
    "additionalProperties": False,
}
ENDLESS_LIST = json.dumps({"type": "array", "items": {"type": "boolean"}, "minItems": 10_000})


async def test_a_schema_is_obeyed_and_ends_with_a_stop_token(engine: Engine) -> None:
    prompts = [[200006, 1428, 200008, *encoding().encode(text), *PROMPT[-3:]] for text in ("Hello", "Show a table")]
    schema = json.dumps(COLOURS)
    samplings = [Sampling(400, temperature, seed=3, json_schema=schema) for temperature in (0, 1, 2)]
    answers = await asyncio.gather(*(collect(engine, each, prompt) for prompt in prompts for each in samplings))
    for answer in answers:
        *written, last = ids_of(answer)
        assert (answer[-1].finish_reason, last in STOP_TOKEN_IDS) == ("stop", True)
        value = json.loads(encoding().decode(written))
        assert list(value) == ["colours", "count", "is_new"]
        assert 1 <= len(value["colours"]) <= 3
        assert set(value["colours"]) <= {"red", "grün", 'a "b"'}
        assert type(value["count"]) is int
        assert -20 <= value["count"] <= 300
        assert type(value["is_new"]) is bool


async def test_no_string_holds_a_control_token(engine: Engine) -> None:
    answer = await collect(engine, Sampling(150, 2.0, seed=5, json_schema='{"type": "string"}'))
    assert max(ids_of(answer)[:-1]) < 199_998


async def test_a_schema_and_its_lack_go_side_by_side(engine: Engine) -> None:
    alone = await collect(engine, Sampling(40, temperature=0))
    free, held = await asyncio.gather(
        collect(engine, Sampling(40, temperature=0)),
        collect(engine, Sampling(40, temperature=0, json_schema=ENDLESS_LIST)),
    )
    assert ids_of(free) == ids_of(alone)
    assert held[-1].finish_reason == "length"
    assert re.fullmatch(r"\[\s*((true|false),\s*)+\w*", encoding().decode(ids_of(held)))


async def test_abort_ends_a_stream_that_obeys_a_schema(process: Process) -> None:
    request_id = str(uuid4())
    steps: list[Tokens] = []
    async for tokens in process.engine.generate(PROMPT, Sampling(3000, json_schema=ENDLESS_LIST), request_id):
        steps.append(tokens)
        if len(steps) == 3:
            await process.engine.abort(request_id)
    assert steps[-1].finish_reason == "abort"
    await wait_for_running(process, 0, seconds=1)


async def test_a_schema_that_the_engine_refuses_harms_nobody(engine: Engine) -> None:
    impossible = {"type": "array", "prefixItems": [{"type": "null"}], "items": False, "minItems": 3}
    free = asyncio.create_task(collect(engine, Sampling(400, temperature=0)))
    with pytest.raises(PromptError, match="minItems"):
        await asyncio.wait_for(collect(engine, Sampling(5, json_schema=json.dumps(impossible))), 5)
    assert (await free)[-1].finish_reason == "stop"


async def test_a_model_without_tokenizer_takes_no_schema(
    local_process: LocalProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_process.engine, "_takes_schema", False)
    with pytest.raises(PromptError, match="tokenizer"):
        await collect(local_process.engine, Sampling(5, json_schema="{}"))
    assert ids_of(await collect(local_process.engine, Sampling(5)))


@pytest.mark.parametrize(("schema", "expected"), [("{}", PromptError), (None, EngineDiedError)])
async def test_a_grammar_that_cannot_be_made_is_no_death_of_the_engine(
    local_process: LocalProcess, monkeypatch: pytest.MonkeyPatch, schema: str | None, expected: type[InferenceError]
) -> None:
    async def failing(*_: object) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=[], finish_reason="error")])

    monkeypatch.setattr(local_process.engine._engine, "generate", failing)
    with pytest.raises(expected):
        await collect(local_process.engine, Sampling(5, json_schema=schema))


async def test_death_in_the_middle_is_told_at_once_and_a_restart_heals(
    mortal_process: LocalProcess | ServerProcess,
) -> None:
    stream = mortal_process.engine.generate(PROMPT, ENDLESS, str(uuid4()))
    await anext(stream)
    mortal_process.kill()
    killed_at = time.monotonic()
    with pytest.raises(EngineDiedError):
        async for _ in stream:
            pass
    assert time.monotonic() - killed_at < 1
    while mortal_process.engine.is_healthy():
        assert time.monotonic() - killed_at < 2
        await asyncio.sleep(0.01)
    with pytest.raises(EngineError):
        await collect(mortal_process.engine, Sampling(5))
    await asyncio.to_thread(mortal_process.engine.stop)
    await asyncio.to_thread(mortal_process.start)
    assert mortal_process.engine.is_healthy()
    assert len(ids_of(await collect(mortal_process.engine, Sampling(20, temperature=2.0, seed=1)))) == 20


async def test_stop_ends_running_streams_as_broken(process: Process) -> None:
    """Nobody asked for it: the reply is to be continued, and must not look stopped by its reader."""
    stream = process.engine.generate(PROMPT, ENDLESS, str(uuid4()))
    await anext(stream)
    await asyncio.to_thread(process.engine.stop)
    with pytest.raises(EngineDiedError):
        await asyncio.wait_for(collect_rest(stream), 2)
    assert not process.engine.is_healthy()
    with pytest.raises(EngineNotReadyError):
        await collect(process.engine, Sampling(5))
    await asyncio.to_thread(process.engine.stop)
    await asyncio.to_thread(process.reconnect)
    assert process.engine.is_healthy()


async def test_a_frozen_engine_is_ended_and_started_anew(local_process: LocalProcess) -> None:
    engine = local_process.engine
    stream = engine.generate(PROMPT, ENDLESS, str(uuid4()))
    await anext(stream)
    frozen = local_process.freeze()
    assert frozen
    assert engine.is_healthy(), "only who waits for a token can know"
    began = time.monotonic()
    await asyncio.to_thread(engine.stop)
    assert time.monotonic() - began < 4
    assert not psutil.wait_procs(frozen, timeout=1)[1]
    with pytest.raises(EngineDiedError):
        await asyncio.wait_for(collect_rest(stream), 1)
    await asyncio.to_thread(local_process.start)
    assert len(ids_of(await collect(engine, Sampling(20, temperature=2.0, seed=1)))) == 20


async def test_a_frozen_server_is_noticed_when_it_is_asked(server_process: ServerProcess) -> None:
    engine = server_process.engine
    stream = engine.generate(PROMPT, ENDLESS, str(uuid4()))
    await anext(stream)
    server_process.signal(signal.SIGSTOP)
    try:
        with pytest.raises(EngineFailedError, match="does not answer within 5 s"):
            await asyncio.wait_for(asyncio.to_thread(engine.start, lambda _: None), 7)
        await asyncio.to_thread(engine.stop)
        with pytest.raises(EngineDiedError):
            await asyncio.wait_for(collect_rest(stream), 1)
    finally:
        server_process.signal(signal.SIGCONT)
    await asyncio.to_thread(server_process.reconnect)
    await wait_for_running(server_process, 0, seconds=5)
    assert len(ids_of(await collect(engine, Sampling(20, temperature=2.0, seed=1)))) == 20


async def collect_rest(stream: object) -> None:
    async for _ in stream:  # type: ignore[attr-defined]
        pass


async def test_start_tells_its_phases(local_process: LocalProcess) -> None:
    states = [progress.state for progress in local_process.progress]
    assert states[0] == "loading"
    assert states[-1] == "warming up"
