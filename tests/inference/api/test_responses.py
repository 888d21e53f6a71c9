"""/v1/responses before a scripted engine: what the model is told, what the client gets, what is stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import cast

import pytest
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.db import DatabaseError
from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from httpx2 import ASGITransport
from openai import AsyncOpenAI, BadRequestError, DefaultAsyncHttpxClient, NotFoundError
from openai.types.responses import Response, ResponseCompletedEvent, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from inference import generation
from inference.api import thoughts
from inference.api.responses import store
from inference.api.responses.output import Output
from inference.gate import get_gate
from inference.harmony import visible_prompt
from inference.models import StoredResponse, UsageRecord
from inference.parser import Channel, Delta
from tests.inference.api.conftest import Api, events_of, text_of
from tests.scripted_server import ScriptedServer, harmony, reply

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/v1/responses"
UNKNOWN = f"resp_{'0' * 32}"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALL = harmony(
    "<|channel|>analysis<|message|>I need the weather.<|end|><|start|>assistant"
    "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant"
    '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Bonn"}<|call|>'
)
LOOP = (
    "<|start|>user<|message|>Weather in Bonn?<|end|>"
    "<|start|>assistant<|channel|>analysis<|message|>I need the weather.<|end|>"
    "<|start|>assistant<|channel|>commentary<|message|>I will look.<|end|>"
    "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
    '{"city": "Bonn"}<|call|>'
    "<|start|>functions.get_weather<|channel|>commentary to=assistant<|message|>12 degrees<|end|>"
    "<|start|>assistant"
)
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


def told(scripted: ScriptedServer, number: int = -1) -> str:
    return visible_prompt(cast("list[int]", scripted.requests[number]["prompt"]))


async def response_of(api: Api, **body: object) -> Response:
    answer = await api.post(URL, body)
    assert isinstance(answer, HttpResponse)
    assert answer.status_code == 200, answer.content
    return strict(Response.model_validate_json(answer.content, strict=True))


def strict(response: Response) -> Response:
    """Fails for what OpenAI's types do not know, but for what this server adds."""
    assert response.usage
    parts = [*response.output, response.usage, response.usage.input_tokens_details, response.text, response.reasoning]
    assert [part.model_extra for part in parts if part and part.model_extra] == []
    assert set(response.model_extra or {}) == {"store", "dropped_turns"}
    return response


async def refusal_of(api: Api, body: Mapping[str, object], status: int = 400) -> dict[str, object]:
    answer = await api.post(URL, body)
    assert isinstance(answer, HttpResponse)
    assert answer.status_code == status, answer.content
    error: dict[str, object] = json.loads(answer.content)["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    return error


def output_of(response: Response) -> list[tuple[str, str]]:
    """Each item's kind and text."""
    shown = []
    for item in response.output:
        match item.type:
            case "reasoning":
                shown.append(("reasoning", "".join(part.text for part in item.content or [])))
            case "message":
                shown.append(("message", "".join(getattr(part, "text", "") for part in item.content)))
            case "function_call":
                shown.append((f"call {item.name}", item.arguments))
    return shown


@pytest.fixture
def quick_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that broke is asked again at once, not half a second later."""
    monkeypatch.setattr(generation, "RECOVERY_SECONDS", 0.01)


@pytest.fixture
async def client(api: Api) -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's own, straight into this application."""
    transport = ASGITransport(app=get_asgi_application())  # type: ignore[arg-type]
    async with (
        DefaultAsyncHttpxClient(transport=transport) as http,
        AsyncOpenAI(
            api_key=api.headers["Authorization"].removeprefix("Bearer "),
            base_url="http://testserver/v1",
            http_client=http,
            max_retries=0,
        ) as client,
    ):
        yield client


async def test_a_response_tells_what_was_asked_and_what_came(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(reply("They greet.", "Hello!"))
    response = await response_of(
        api,
        model="scripted",
        input="Hi",
        instructions="Be terse.",
        reasoning={"effort": "high", "summary": "auto"},
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=500,
        metadata={"a": "b"},
        tools=[WEATHER],
        user="me",
    )
    assert output_of(response) == [("reasoning", "They greet."), ("message", "Hello!")]
    assert {item.status for item in response.output if item.type in ("message", "reasoning")} == {"completed"}
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert (response.model, response.instructions, response.metadata) == ("scripted", "Be terse.", {"a": "b"})
    assert (response.temperature, response.top_p, response.max_output_tokens) == (0.5, 0.9, 500)
    assert response.reasoning
    assert (response.reasoning.effort, response.reasoning.summary) == ("high", "auto")
    assert (response.tool_choice, response.parallel_tool_calls, response.truncation) == ("auto", True, "disabled")
    assert [tool.type for tool in response.tools] == ["function"]
    assert (response.user, response.background, response.previous_response_id) == ("me", False, None)
    usage = response.usage
    assert usage
    assert usage.output_tokens == len(reply("They greet.", "Hello!"))
    assert usage.output_tokens_details.reasoning_tokens == len(harmony("They greet."))
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert "Reasoning: high" in told(scripted)
    assert "# Instructions\n\nBe terse.\n\n# Tools" in told(scripted)
    assert (scripted.requests[0]["temperature"], scripted.requests[0]["max_tokens"]) == (0.5, 500)
    record = await UsageRecord.objects.aget()
    assert (record.source, record.outcome, record.user_id) == ("responses", "complete", api.user.pk)
    assert record.completion_tokens == usage.output_tokens


async def test_a_stream_tells_the_same_event_by_event(scripted: ScriptedServer, api: Api) -> None:
    for _ in range(2):
        scripted.enqueue(CALL)
    whole = await response_of(api, input="Hi", tools=[WEATHER])
    text = await text_of(await api.post(URL, {"input": "Hi", "tools": [WEATHER], "stream": True}))
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    events = [EVENT.validate_json(data.removeprefix("data: ")) for _name, data in blocks]
    assert [name for name, _data in blocks] == [f"event: {event.type}" for event in events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert all(event.model_extra == {} for event in events)
    kinds = [event.type.removeprefix("response.") for event in events]
    once = [kind for index, kind in enumerate(kinds) if not index or kind != kinds[index - 1]]
    text_item = ["content_part.added", "{}.delta", "{}.done", "content_part.done", "output_item.done"]
    assert once == [
        "created",
        "in_progress",
        "output_item.added",
        *(kind.format("reasoning_text") for kind in text_item),
        "output_item.added",
        *(kind.format("output_text") for kind in text_item),
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent)
    assert output_of(strict(last.response)) == output_of(whole)
    assert last.response.usage == whole.usage
    for index, (_kind, text) in enumerate(output_of(whole)):
        deltas = [event.delta for event in events if "delta" in event.type and event.output_index == index]  # type: ignore[union-attr]
        assert "".join(cast("list[str]", deltas)) == text
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert done == last.response.output


@pytest.mark.parametrize("way", ["items", "without reasoning", "previous"])
async def test_tools_go_round(scripted: ScriptedServer, api: Api, way: str) -> None:
    scripted.enqueue(CALL)
    first = await response_of(api, input="Weather in Bonn?", tools=[WEATHER], store=way == "previous")
    assert output_of(first) == [
        ("reasoning", "I need the weather."),
        ("message", "I will look."),
        ("call get_weather", '{"city": "Bonn"}'),
    ]
    assert "type get_weather = (_: {\ncity: string,\n}) => any;" in told(scripted)
    _reasoning, message, call = first.output
    assert message.type == "message"
    assert call.type == "function_call"
    assert (message.phase, message.status, call.status) == ("commentary", "completed", "completed")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
    if way == "previous":
        await response_of(api, previous_response_id=first.id, input=[result], tools=[WEATHER])
    else:
        skipped = 1 if way == "without reasoning" else 0
        sent = [item.model_dump() for item in first.output[skipped:]]
        question = {"role": "user", "content": "Weather in Bonn?"}
        for each in sent:
            each.pop("async_", None)  # a name of the Python client's, not of the API's
        if way == "without reasoning":
            sent[0]["phase"] = None
        await response_of(api, input=[question, *sent, result], tools=[WEATHER])
    assert told(scripted).endswith(LOOP)


async def test_a_loop_that_is_over_leaves_its_thinking_behind(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(CALL)
    first = await response_of(api, input="Weather in Bonn?", tools=[WEATHER])
    call = first.output[-1]
    assert call.type == "function_call"
    result = {"type": "function_call_output", "call_id": call.call_id, "output": [{"type": "input_text", "text": "12"}]}
    scripted.enqueue(reply("Twelve.", "It has 12 degrees."))
    second = await response_of(api, previous_response_id=first.id, input=[result], tools=[WEATHER])
    await response_of(api, previous_response_id=second.id, input="And in Rome?", tools=[WEATHER])
    text = told(scripted)
    assert "I need the weather" not in text
    assert "Twelve." not in text
    assert text.index("to=functions.get_weather") < text.index("message|>12<|end|>") < text.index("It has 12 degrees.")
    assert text.endswith("<|start|>user<|message|>And in Rome?<|end|><|start|>assistant")
    stored = (await StoredResponse.objects.order_by("created_at").alast()).items  # type: ignore[union-attr]
    thought = [item["content"][0]["text"] for item in stored if item["type"] == "reasoning"]
    assert thought == ["Thinking."]


async def test_a_response_goes_on_from_a_stored_one(scripted: ScriptedServer, api: Api) -> None:
    opening = {"role": "developer", "content": "Speak French."}
    scripted.enqueue(reply("They greet.", "Hello!"))
    first = await response_of(api, input=[opening, {"role": "user", "content": "Hi"}], instructions="Be terse.")
    second = await response_of(api, previous_response_id=first.id, input="More", instructions="Be kind.")
    assert second.previous_response_id == first.id
    assert told(scripted).endswith(
        "<|start|>developer<|message|># Instructions\n\nBe kind.\n\nSpeak French.<|end|>"
        "<|start|>user<|message|>Hi<|end|><|start|>assistant<|channel|>final<|message|>Hello!<|end|>"
        "<|start|>user<|message|>More<|end|><|start|>assistant"
    )
    answer = await api.get(f"{URL}/{first.id}")
    assert strict(Response.model_validate_json(answer.content)) == first


async def test_an_output_of_no_call_is_refused_by_its_place_in_the_input(scripted: ScriptedServer, api: Api) -> None:
    first = await response_of(api, input="Hi")
    result = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
    error = await refusal_of(api, {"input": [result], "previous_response_id": first.id})
    assert (error["param"], error["code"]) == ("input[0].call_id", "invalid_value")


async def test_items_of_all_kinds_are_told_in_harmonys_words(scripted: ScriptedServer, api: Api) -> None:
    items = [
        {"role": "system", "content": [{"type": "input_text", "text": "Be terse."}]},
        {"type": "message", "role": "user", "content": "One"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hmm."}]},
        {"role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "First", "annotations": []}]},
        {"role": "developer", "content": "Now in verse."},
        {"role": "user", "content": [{"type": "input_text", "text": "Two"}, {"type": "input_text", "text": "lines"}]},
    ]
    await response_of(api, input=items)
    assert told(scripted).endswith(
        "<|start|>developer<|message|># Instructions\n\nBe terse.<|end|>"
        "<|start|>user<|message|>One<|end|><|start|>assistant<|channel|>final<|message|>First<|end|>"
        "<|start|>developer<|message|># Instructions\n\nNow in verse.<|end|>"
        "<|start|>user<|message|>Two\nlines<|end|><|start|>assistant"
    )


async def test_what_is_stored_is_its_owners_alone(scripted: ScriptedServer, api: Api, bob: User) -> None:
    response = await response_of(api, input="Hi")
    stranger = await asyncio.to_thread(Api, bob)
    for answer in (await stranger.get(f"{URL}/{response.id}"), await stranger.delete(f"{URL}/{response.id}")):
        assert answer.status_code == 404
        assert json.loads(answer.content)["error"]["code"] == "not_found"
    error = await refusal_of(stranger, {"input": "Hi", "previous_response_id": response.id}, 404)
    assert (error["code"], error["param"]) == ("previous_response_not_found", "previous_response_id")
    assert (await api.get(f"{URL}/{response.id}")).status_code == 200
    deleted = await api.delete(f"{URL}/{response.id}")
    assert json.loads(deleted.content) == {"id": response.id, "object": "response", "deleted": True}
    assert (await api.get(f"{URL}/{response.id}")).status_code == 404
    assert (await api.delete(f"{URL}/{response.id}")).status_code == 404
    assert (await refusal_of(api, {"input": "Hi", "previous_response_id": response.id}, 404))["param"]


@pytest.mark.parametrize("unknown", [UNKNOWN, "resp_1", "x", "%00", "resp_" + "a" * 500])
async def test_an_unknown_id_is_not_found(api: Api, unknown: str) -> None:
    assert (await api.get(f"{URL}/{unknown}")).status_code == 404
    body = {"input": "Hi", "previous_response_id": unknown.replace("%00", "\0")}
    assert (await refusal_of(api, body, 404))["message"]


async def test_the_store_refuses_other_methods_and_parameters(api: Api) -> None:
    assert (await api.post(f"{URL}/{UNKNOWN}", {})).status_code == 405
    assert (await api.get(URL)).status_code == 405
    answer = await api.get(f"{URL}/{UNKNOWN}?stream=true")
    assert (answer.status_code, json.loads(answer.content)["error"]["param"]) == (400, "stream")


async def test_only_the_newest_are_kept_and_none_for_long(
    scripted: ScriptedServer, api: Api, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.MOST == 100
    monkeypatch.setattr(store, "MOST", 2)
    others = await response_of(await asyncio.to_thread(Api, bob), input="Hi")
    first, second, third = [await response_of(api, input="Hi") for _ in range(3)]
    assert {row.pk async for row in StoredResponse.objects.all()} == {others.id, second.id, third.id}
    assert (await api.get(f"{URL}/{first.id}")).status_code == 404
    monkeypatch.setattr(store, "MOST", 100)
    await StoredResponse.objects.filter(pk=third.id).aupdate(created_at=timezone.now() - timedelta(days=30, minutes=1))
    assert (await api.get(f"{URL}/{third.id}")).status_code == 404
    newest = await response_of(api, input="Hi")
    assert {row.pk async for row in StoredResponse.objects.all()} == {others.id, second.id, newest.id}


async def test_what_is_not_to_be_stored_is_not(scripted: ScriptedServer, api: Api) -> None:
    response = await response_of(api, input="Hi", store=False)
    assert response.model_extra
    assert response.model_extra["store"] is False
    assert not await StoredResponse.objects.aexists()
    assert (await api.get(f"{URL}/{response.id}")).status_code == 404


async def test_a_store_that_fails_is_told(
    scripted: ScriptedServer, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: object) -> None:
        raise DatabaseError("The disk is full.")

    monkeypatch.setattr(store, "_keep", broken)
    assert (await refusal_of(api, {"input": "Hi"}, 500))["code"] == "not_stored"
    *_, error, failed = await events_of(await api.post(URL, {"input": "Hi", "stream": True}))
    assert (error["type"], error["code"], failed["type"]) == ("error", "not_stored", "response.failed")
    assert "disk is full" in caplog.text


def test_what_postgresql_does_not_take_is_replaced() -> None:
    assert store._storable({"a": ["x\0\0y", r"\u0000", "\\\0"]}) == {"a": ["x��y", r"\u0000", "\\�"]}


def turns(count: int) -> list[dict[str, str]]:
    return [{"role": role, "content": f"{n} {'word ' * 400}"} for n in range(count) for role in ("user", "assistant")]


async def test_earlier_turns_that_do_not_fit_go_only_by_leave(scripted: ScriptedServer, api: Api) -> None:
    items = [{"role": "system", "content": "Be terse."}, *turns(4), {"role": "user", "content": "Hi"}]
    error = await refusal_of(api, {"input": items})
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")
    assert "2 of its earlier turns" in str(error["message"])
    assert scripted.requests == []
    assert not await UsageRecord.objects.aexists()
    response = await response_of(api, input=items, truncation="auto")
    assert response.model_extra
    assert response.model_extra["dropped_turns"] == 2
    assert "<|message|>1 word" not in told(scripted)
    assert "<|message|>2 word" in told(scripted)
    stored = (await StoredResponse.objects.aget()).items
    assert [item["content"][:6] for item in stored if item["type"] == "message"] == [
        "Be ter",
        "2 word",
        "2 word",
        "3 word",
        "3 word",
        "Hi",
        "An ans",
    ]


async def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(scripted: ScriptedServer, api: Api) -> None:
    for body in ({}, {"stream": True}, {"truncation": "auto"}):
        error = await refusal_of(api, {"input": "word " * 3000, **body})
        assert (error["code"], error["param"]) == ("context_length_exceeded", "input")
        assert "2,000" in str(error["message"])


async def test_a_response_that_is_cut_off_is_incomplete(scripted: ScriptedServer, api: Api) -> None:
    for _ in range(2):
        scripted.enqueue(reply("Hmm.", "word " * 50))
    response = await response_of(api, input="Hi", max_output_tokens=12)
    assert response.status == "incomplete"
    assert response.incomplete_details
    assert response.incomplete_details.reason == "max_output_tokens"
    reasoning, message = response.output
    assert (reasoning.type, message.type) == ("reasoning", "message")
    assert (getattr(reasoning, "status", None), getattr(message, "status", None)) == ("completed", "incomplete")
    *_, last = await events_of(await api.post(URL, {"input": "Hi", "max_output_tokens": 12, "stream": True}))
    assert last["type"] == "response.incomplete"
    assert await StoredResponse.objects.acount() == 2


async def test_an_engine_that_breaks_in_mid_stream_is_told_and_nothing_stored(
    scripted: ScriptedServer, api: Api, quick_recovery: None
) -> None:
    for _ in range(3):
        scripted.enqueue(reply("", "word " * 20)[:10], finish_reason=None)
    events = await events_of(await api.post(URL, {"input": "Hi", "stream": True}))
    *_, error, failed = [EVENT.validate_python(event) for event in events]
    assert (error.type, getattr(error, "code", None)) == ("error", "engine_error")
    assert failed.type == "response.failed"
    assert failed.response.error
    assert (failed.response.status, failed.response.error.code) == ("failed", "server_error")
    assert output_of(failed.response)[0][1].startswith("word word")
    assert not await StoredResponse.objects.aexists()
    assert not get_gate().held
    assert (await UsageRecord.objects.aget()).outcome == "failed"


async def test_an_engine_that_breaks_is_no_answer(scripted: ScriptedServer, api: Api, quick_recovery: None) -> None:
    for _ in range(4):
        scripted.enqueue([], status=500)
    assert (await refusal_of(api, {"input": "Hi"}, 500))["type"] == "server_error"
    assert not await StoredResponse.objects.aexists()


async def test_who_goes_away_leaves_nothing_but_a_record(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(reply("", "word " * 500), seconds_per_token=0.01)
    answer = await api.post(URL, {"input": "Hi", "stream": True})
    assert isinstance(answer, StreamingHttpResponse)
    seen: list[bytes] = []

    async def read() -> None:
        async for part in answer:
            seen.append(part)  # noqa: PERF401 (looked at while it grows)

    reader = asyncio.create_task(read())
    async with asyncio.timeout(5):
        while not any(b"output_text.delta" in part for part in seen):
            await asyncio.sleep(0.005)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    async with asyncio.timeout(5):
        while not scripted.dropped:
            await asyncio.sleep(0.005)
    assert not get_gate().held
    assert not await StoredResponse.objects.aexists()
    record = await UsageRecord.objects.aget()
    assert record.outcome == "interrupted"
    assert record.completion_tokens > 0


@pytest.mark.parametrize("deltas", [["One ", "two"], ["\n\nOne"]])
def test_no_text_is_lost_or_doubled_between_items(deltas: list[str]) -> None:
    output = Output()
    seen = [Delta(Channel.FINAL, text, 1) for text in deltas]
    events = [event for delta in seen for event in output.take(delta, [])]
    events += output.take(Delta(Channel.ANALYSIS, "Hmm", 1), [])
    events += output.take(Delta(Channel.FINAL, "\n\nThree", 1), [])
    events += output.close("completed")
    told = ["".join(str(part["text"]) for part in item["content"]) for item in output.items]  # type: ignore[attr-defined]
    assert told == ["".join(deltas), "Hmm", "Three"]
    assert "".join(str(event["delta"]) for event in events if "delta" in event) == "".join(told)


async def test_openais_client_streams(scripted: ScriptedServer, client: AsyncOpenAI) -> None:
    for _ in range(2):
        scripted.enqueue(reply("They greet.", "Hello, 👩‍🚀!"))
    stream = await client.responses.create(model="scripted", input="Hi", stream=True)
    deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "Hello, 👩‍🚀!"
    async with client.responses.stream(model="scripted", input="Hi") as helped:
        snapshots = [event.snapshot async for event in helped if event.type == "response.output_text.delta"]
        final = await helped.get_final_response()
    assert snapshots[-1] == final.output_text == "Hello, 👩‍🚀!"


async def test_openais_client_goes_round_with_tools(scripted: ScriptedServer, client: AsyncOpenAI) -> None:
    scripted.enqueue(CALL)
    async with client.responses.stream(
        model="scripted",
        input="Weather in Bonn?",
        tools=[WEATHER],  # type: ignore[list-item]
    ) as stream:
        first = await stream.get_final_response()
    call = first.output[-1]
    assert call.type == "function_call"
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
    thoughts._thoughts.clear()
    await client.responses.create(
        model="scripted",
        input=[{"role": "user", "content": "Weather in Bonn?"}, *first.output, result],  # type: ignore[list-item]
        tools=[WEATHER],  # type: ignore[list-item]
    )
    assert told(scripted).endswith(LOOP)


async def test_openais_client_parses_what_obeys_a_schema(scripted: ScriptedServer, client: AsyncOpenAI) -> None:
    class Capital(BaseModel):
        city: str

    head = "<|channel|>analysis<|message|>Easy.<|end|><|start|>assistant<|channel|>final<|message|>"
    scripted.enqueue(harmony(head + "no JSON"))
    scripted.enqueue(harmony('{"city": "Paris"}<|return|>'))
    parsed = await client.responses.parse(model="scripted", input="France?", text_format=Capital)
    assert parsed.output_parsed == Capital(city="Paris")
    free, held = scripted.requests
    assert "structured_outputs" not in free
    assert "city" in str(held["structured_outputs"])
    assert told(scripted).endswith(head)
    assert parsed.text
    assert parsed.text.format
    assert parsed.text.format.type == "json_schema"


async def test_openais_client_reads_the_store_and_raises_its_own_errors(
    scripted: ScriptedServer, client: AsyncOpenAI
) -> None:
    first = await client.responses.create(model="scripted", input="Hi")
    assert await client.responses.retrieve(first.id) == first
    await client.responses.delete(first.id)
    with pytest.raises(NotFoundError, match="There is no stored response"):
        await client.responses.retrieve(first.id)
    with pytest.raises(BadRequestError, match="max_output_tokens"):
        await client.responses.create(model="scripted", input="Hi", max_output_tokens=0)


async def test_a_busy_model_is_told_before_anything_streams(scripted: ScriptedServer, api: Api) -> None:
    async with get_gate().hold():
        answer = await api.post(URL, {"input": "Hi", "stream": True})
    assert (answer.status_code, answer["Retry-After"]) == (429, "5")
    assert not await UsageRecord.objects.aexists()


HI = {"role": "user", "content": "Hi"}
IMAGE = {"type": "input_image", "image_url": "data:"}
SCHEMA = {"type": "json_schema", "name": "x"}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": 5}, "input", "invalid_value"),
        ({"input": []}, "input", "invalid_value"),
        ({"input": " "}, "input", None),
        ({"input": [{"role": "assistant", "content": "Hi"}]}, "input", None),
        ({"input": ["Hi"]}, "input[0]", "invalid_value"),
        ({"input": [{"role": "tool", "content": "Hi"}]}, "input[0].role", "invalid_value"),
        ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
        ({"input": [{"role": "user", "content": [IMAGE]}]}, "input[0].content", "invalid_value"),
        ({"input": [HI, {"type": "item_reference", "id": "msg_1"}]}, "input[1]", "invalid_value"),
        ({"input": [HI | {"name": "x"}]}, "input[0].name", "unsupported_parameter"),
        (
            {"input": [HI, {"type": "function_call_output", "call_id": "call_1", "output": "x"}]},
            "input[1].call_id",
            "invalid_value",
        ),
        (
            {"input": [HI, {"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}]}]},
            "input[1].summary",
            "invalid_value",
        ),
        (
            {"input": [HI, {"type": "reasoning", "encrypted_content": "x"}]},
            "input[1].encrypted_content",
            "unsupported_parameter",
        ),
        ({"background": True}, "background", "invalid_value"),
        ({"conversation": "conv_1"}, "conversation", "invalid_value"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "invalid_value"),
        ({"max_tool_calls": 1}, "max_tool_calls", "invalid_value"),
        ({"top_logprobs": 1}, "top_logprobs", "invalid_value"),
        ({"seed": 1}, "seed", "unsupported_parameter"),
        ({"stop": "x"}, "stop", "unsupported_parameter"),
        ({"context_management": []}, "context_management", "unsupported_parameter"),
        ({"include": ["message.output_text.logprobs"]}, "include[0]", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "function", "name": "x"}}, "tool_choice", "invalid_value"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", None),
        ({"tools": [WEATHER | {"name": "a b"}]}, "tools[0].name", "invalid_value"),
        ({"tools": [WEATHER | {"defer_loading": True}]}, "tools[0].defer_loading", "unsupported_parameter"),
        ({"reasoning": {"effort": "minimal"}}, "reasoning.effort", "invalid_value"),
        ({"reasoning": {"summary": "detailed"}}, "reasoning.summary", "invalid_value"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode", "unsupported_parameter"),
        ({"text": {"verbosity": "low"}}, "text.verbosity", "invalid_value"),
        ({"text": {"format": SCHEMA}}, "text.format", "invalid_value"),
        ({"text": {"format": {"type": "text", "strict": True}}}, "text.format", "invalid_value"),
        ({"truncation": "middle"}, "truncation", "invalid_value"),
        ({"service_tier": "flex"}, "service_tier", "invalid_value"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_value"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"top_p": 0}, "top_p", "invalid_value"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation", "invalid_value"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name_whatever_the_engine_does(
    api: Api, body: dict[str, object], param: str, code: str | None
) -> None:
    error = await refusal_of(api, {"input": "Hi", **body})
    assert error["param"] == param, error
    assert code is None or error["code"] == code


async def test_another_model_is_not_found(scripted: ScriptedServer, api: Api) -> None:
    assert (await refusal_of(api, {"input": "Hi", "model": "gpt-4o"}, 404))["code"] == "model_not_found"


async def test_what_changes_nothing_is_taken(scripted: ScriptedServer, api: Api) -> None:
    response = await response_of(
        api,
        input=[HI | {"id": None, "status": None, "phase": None}],
        model=None,
        background=False,
        include=["reasoning.encrypted_content"],
        parallel_tool_calls=False,
        tool_choice="none",
        tools=[WEATHER],
        text={"format": {"type": "text"}, "verbosity": "medium"},
        reasoning={"effort": None, "summary": None},
        service_tier="auto",
        safety_identifier="me",
        prompt_cache_key="x",
        stream=False,
        stream_options={"include_obfuscation": False},
        top_logprobs=0,
        conversation=None,
        prompt=None,
        max_tool_calls=None,
        metadata=None,
        previous_response_id=None,
    )
    assert response.output_text == "An answer."
    assert (response.parallel_tool_calls, response.tool_choice) == (False, "none")
    assert (response.safety_identifier, response.prompt_cache_key) == ("me", "x")
    assert "get_weather" not in told(scripted)
