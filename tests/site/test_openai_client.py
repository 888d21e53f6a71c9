"""OpenAI's own Python client against the running site: the real vLLM with the demo model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.site_process import SiteProcess

HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is 47 + 38?"}]
MODEL = "demo"


@pytest.fixture(scope="module")
def key(demo_site: SiteProcess) -> str:
    return demo_site.manage("create_api_key", "ann").stdout.strip().splitlines()[-1]


@pytest.fixture
async def client(demo_site: SiteProcess, key: str) -> AsyncIterator[AsyncOpenAI]:
    """Whatever a test before left running at the gate is waited for."""
    async with AsyncOpenAI(
        base_url=f"{demo_site.url}/v1", api_key=key, max_retries=0, default_query={"wait": "60"}, timeout=90
    ) as client:
        yield client


async def test_a_completion(client: AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(
        model=MODEL, messages=HI, temperature=0, reasoning_effort="medium", max_completion_tokens=300
    )
    (choice,) = completion.choices
    assert choice.finish_reason == "stop"
    assert "85" in (choice.message.content or "")
    assert choice.message.model_extra
    assert choice.message.model_extra["reasoning_content"]
    assert completion.usage
    assert completion.usage.completion_tokens_details
    assert 0 < (completion.usage.completion_tokens_details.reasoning_tokens or 0) < completion.usage.completion_tokens
    again = await client.chat.completions.create(
        model=MODEL, messages=HI, temperature=0, reasoning_effort="medium", max_completion_tokens=300
    )
    assert again.choices[0].message.content == choice.message.content


async def test_a_streamed_completion(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=HI, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "85" in text
    assert len(chunks) > 5
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens > 5


async def test_a_structured_answer_is_json_by_its_schema(client: AsyncOpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"sum": {"type": "integer"}, "unit": {"enum": ["none", "metre"]}},
        "required": ["sum", "unit"],
        "additionalProperties": False,
    }
    for effort in ("low", "high"):
        completion = await client.chat.completions.create(
            model=MODEL,
            messages=HI,
            max_tokens=400,
            reasoning_effort=effort,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": True},
            },
        )
        (choice,) = completion.choices
        if choice.finish_reason == "stop" and choice.message.content:
            answer = json.loads(choice.message.content)
            assert set(answer) == {"sum", "unit"}
            assert answer["unit"] in ("none", "metre")
            assert type(answer["sum"]) is int
            return
    pytest.fail("No answer came to its end.")


async def test_responses_go_on_from_each_other(client: AsyncOpenAI) -> None:
    first = await client.responses.create(model=MODEL, input="Hello!", temperature=0)
    assert first.status == "completed"
    assert first.output_text
    events = [
        event
        async for event in await client.responses.create(
            model=MODEL, input="What did I say last?", previous_response_id=first.id, temperature=0, stream=True
        )
    ]
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage
    assert first.usage
    assert events[-1].response.usage.input_tokens > first.usage.input_tokens
    kept = await client.responses.retrieve(first.id)
    assert kept.output_text == first.output_text
    await client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(first.id)


async def test_errors_are_the_clients_own(client: AsyncOpenAI, demo_site: SiteProcess) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=MODEL, messages=HI, n=2)
    assert (refused.value.param, refused.value.code) == ("n", "invalid_value")
    with pytest.raises(openai.BadRequestError) as too_long:
        await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 9000}])
    assert too_long.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="gpt-4o", messages=HI)
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="sk-wrong").models.list()


async def test_a_busy_gate_is_a_rate_limit(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Count to 100"}], stream=True
    )
    async with stream:
        await anext(aiter(stream))
        with pytest.raises(openai.RateLimitError) as busy:
            await client.with_options(set_default_query={}).chat.completions.create(model=MODEL, messages=HI)
        assert int(busy.value.response.headers["Retry-After"]) > 0
    # The client has left: its generation is over, and the gate is free.
    assert (await client.chat.completions.create(model=MODEL, messages=HI, max_tokens=5)).choices


async def test_models_are_listed(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [MODEL]
    assert (await client.models.retrieve(MODEL)).id == MODEL
