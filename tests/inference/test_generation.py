"""How a generation takes its tokens from the engine: at once, or as they have gathered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

import inference.generation
from inference.engine import Sampling, Tokens
from inference.generation import Generation
from inference.harmony import RenderedPrompt
from inference.request import Outcome
from tests.scripted_server import harmony

LONG = 30.0
"""Nobody waits that long: what gathers for it comes by something else."""


class SteppedEngine:
    """Gives what a test hands it, a while after it was asked for more."""

    def __init__(self) -> None:
        self.steps: asyncio.Queue[Tokens] = asyncio.Queue()
        self.is_aborted = False

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, request_id: str
    ) -> AsyncGenerator[Tokens, None]:
        while True:
            tokens = await self.steps.get()
            yield tokens
            if tokens.finish_reason:
                return

    async def abort(self, request_id: str) -> None:
        self.is_aborted = True
        self.steps.put_nowait(Tokens((), "abort"))

    def give(self, text: str, reason: str | None = None) -> None:
        self.steps.put_nowait(Tokens(tuple(harmony(text)), reason))  # type: ignore[arg-type]


@pytest.fixture
def engine() -> SteppedEngine:
    return SteppedEngine()


@pytest.fixture
def generation(engine: SteppedEngine) -> Generation:
    return Generation(engine, RenderedPrompt((1,), 0), Sampling(100))  # type: ignore[arg-type]  # what is needed of it


async def test_the_first_text_does_not_wait_for_more_and_what_follows_does(
    engine: SteppedEngine, generation: Generation
) -> None:
    stream = generation.deltas(gather_seconds=LONG)
    following = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    engine.give("<|channel|>final<|message|>")
    engine.give("One")
    assert [delta.text for delta in await asyncio.wait_for(following, 5)] == ["One"]
    following = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    engine.give(" two")
    await asyncio.sleep(0.05)
    assert not following.done()
    await generation.stop()
    assert [delta.text for delta in await asyncio.wait_for(following, 5)] == [" two"]
    assert [deltas async for deltas in stream] == []
    assert engine.is_aborted
    assert generation.facts.outcome is Outcome.STOPPED


async def test_what_is_there_already_does_not_wait(
    engine: SteppedEngine, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference.generation, "AT_ONCE_SECONDS", LONG)
    engine.give("<|channel|>final<|message|>One")
    for word in (" two", " three", " four"):
        engine.give(word)
    stream = generation.deltas(gather_seconds=LONG)
    async with asyncio.timeout(LONG / 2):
        assert "".join([(await anext(stream))[0].text for _ in range(4)]) == "One two three four"
    await stream.aclose()


async def test_the_end_does_not_wait(engine: SteppedEngine, generation: Generation) -> None:
    engine.give("<|channel|>final<|message|>One")
    stream = generation.deltas(gather_seconds=LONG)
    await anext(stream)
    last = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    engine.give(" two<|return|>", "stop")
    async with asyncio.timeout(LONG / 2):
        assert (await last)[0].text == " two"
        assert [deltas async for deltas in stream] == []
    assert generation.facts.outcome is Outcome.COMPLETE


async def test_without_gathering_each_step_comes_at_once(engine: SteppedEngine, generation: Generation) -> None:
    stream = generation.deltas()
    engine.give("<|channel|>final<|message|>One")
    assert (await anext(stream))[0].text == "One"
    following = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    engine.give(" two")
    assert (await asyncio.wait_for(following, 5))[0].text == " two"
    await stream.aclose()
