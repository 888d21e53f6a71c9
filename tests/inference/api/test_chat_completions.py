"""/v1/chat/completions before a scripted engine: what the model is told, and what the client gets."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai_harmony import Role

from inference import messages
from inference.gate import get_gate
from inference.harmony import visible_prompt
from inference.models import UsageRecord
from inference.supervisor import get_supervisor
from tests.inference.api.conftest import Api, events_of, text_of
from tests.scripted_server import ScriptedServer, harmony, reply

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/v1/chat/completions"
HI = [{"role": "user", "content": "Hi"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = harmony(
    "<|channel|>analysis<|message|>I need the weather.<|end|><|start|>assistant"
    '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Bonn"}<|call|>'
)


def prompt_of(scripted: ScriptedServer, number: int = -1) -> str:
    ids = scripted.requests[number]["prompt"]
    assert isinstance(ids, list)
    return visible_prompt(ids)


async def completion_of(api: Api, body: dict[str, object]) -> ChatCompletion:
    response = await api.post(URL, body)
    assert isinstance(response, HttpResponse)
    assert response.status_code == 200, response.content
    return ChatCompletion.model_validate_json(response.content)


async def refusal_of(api: Api, body: object, status: int = 400) -> dict[str, object]:
    response = await api.post(URL, body)
    assert response.status_code == status
    assert isinstance(response, HttpResponse)
    error: dict[str, object] = json.loads(response.content)["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    return error


async def test_an_answer_comes_with_its_thinking_and_what_it_took(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(reply("They greet.", "Hello!"))
    completion = await completion_of(api, {"model": "scripted", "messages": HI, "temperature": 0.5, "seed": 7})
    (choice,) = completion.choices
    assert (choice.message.content, choice.finish_reason) == ("Hello!", "stop")
    assert choice.message.model_extra == {"reasoning_content": "They greet.", "reasoning": "They greet."}
    usage = completion.usage
    assert usage
    assert usage.completion_tokens_details
    assert usage.completion_tokens == len(reply("They greet.", "Hello!"))
    assert usage.completion_tokens_details.reasoning_tokens == len(harmony("They greet."))
    assert (scripted.requests[0]["temperature"], scripted.requests[0]["seed"]) == (0.5, 7)
    record = await UsageRecord.objects.aget()
    assert (record.user_id, record.source, record.outcome) == (api.user.pk, "chat_completions", "complete")
    assert record.key_id is not None
    assert (record.prompt_tokens, record.completion_tokens) == (usage.prompt_tokens, usage.completion_tokens)


async def test_a_stream_says_the_same_as_the_whole(scripted: ScriptedServer, api: Api) -> None:
    for _ in range(2):
        scripted.enqueue(reply("They greet.", "Hello, 👩‍🚀!"))
    completion = await completion_of(api, {"messages": HI})
    response = await api.post(URL, {"messages": HI, "stream": True, "stream_options": {"include_usage": True}})
    assert response["Content-Type"] == "text/event-stream"
    text = await text_of(response)
    assert text.endswith("data: [DONE]\n\n")
    data = [line.removeprefix("data: ") for line in text.splitlines() if line and "[DONE]" not in line]
    chunks = [ChatCompletionChunk.model_validate_json(each) for each in data]
    *told, last, usage = chunks
    deltas = [chunk.choices[0].delta for chunk in told]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == completion.choices[0].message.content
    thinking = ["" if delta.model_extra is None else delta.model_extra.get("reasoning_content", "") for delta in deltas]
    assert "".join(thinking) == "They greet."
    assert last.choices[0].finish_reason == "stop"
    assert usage.choices == []
    assert usage.usage == completion.usage
    assert len({chunk.id for chunk in chunks}) == 1


async def test_system_and_developer_messages_are_the_instructions(scripted: ScriptedServer, api: Api) -> None:
    messages = [
        {"role": "system", "content": "Be terse."},
        {"role": "developer", "content": [{"type": "text", "text": "Speak French."}]},
        *HI,
    ]
    await completion_of(api, {"messages": messages, "reasoning_effort": "high"})
    told = prompt_of(scripted)
    assert "<|start|>developer<|message|># Instructions\n\nBe terse.\n\nSpeak French.<|end|>" in told
    assert "Reasoning: high" in told
    assert told.endswith("<|start|>user<|message|>Hi<|end|><|start|>assistant")


async def test_thinking_of_earlier_turns_is_not_told_again(scripted: ScriptedServer, api: Api) -> None:
    messages = [*HI, {"role": "assistant", "content": "Hello!", "reasoning_content": "They greet."}, *HI]
    await completion_of(api, {"messages": messages})
    assert "They greet" not in prompt_of(scripted)
    assert "<|start|>assistant<|channel|>final<|message|>Hello!<|end|>" in prompt_of(scripted)


async def test_the_oldest_turns_go_where_not_all_fit(scripted: ScriptedServer, api: Api) -> None:
    turns = [
        {"role": role, "content": f"{number} " + "word " * 400} for number in range(4) for role in ("user", "assistant")
    ]
    response = await api.post(URL, {"messages": [*turns, *HI]})
    assert isinstance(response, HttpResponse)
    assert json.loads(response.content)["dropped_turns"] == 2
    assert "<|message|>1 word" not in prompt_of(scripted)
    assert "<|message|>2 word" in prompt_of(scripted)


async def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(scripted: ScriptedServer, api: Api) -> None:
    error = await refusal_of(api, {"messages": [{"role": "user", "content": "word " * 3000}]})
    assert error["code"] == "context_length_exceeded"
    assert "2,000" in str(error["message"])
    assert scripted.requests == []


async def test_tools_go_round(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(CALL)
    question = {"role": "user", "content": "Weather in Bonn?"}
    first = await completion_of(api, {"messages": [question], "tools": [WEATHER]})
    (choice,) = first.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Bonn"})
    told = prompt_of(scripted)
    assert "type get_weather = (_: {\ncity: string,\n}) => any;" in told
    assert "Valid channels: analysis, commentary, final" in told
    assert "functions" in told.split("<|end|>")[0]

    result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
    for answer in (choice.message.model_dump(exclude_unset=True), {**choice.message.model_dump(), "reasoning": None}):
        await completion_of(api, {"messages": [question, answer, result], "tools": [WEATHER]})
        assert prompt_of(scripted).endswith(
            "<|start|>assistant<|channel|>analysis<|message|>I need the weather.<|end|>"
            "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
            '{"city": "Bonn"}<|call|>'
            "<|start|>functions.get_weather<|channel|>commentary to=assistant<|message|>12 degrees<|end|>"
            "<|start|>assistant"
        )


async def test_a_client_that_drops_the_thinking_of_a_call_need_not_send_it(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(CALL)
    first = await completion_of(api, {"messages": HI, "tools": [WEATHER]})
    (call,) = first.choices[0].message.tool_calls or []
    assert call.type == "function"
    sent = {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]}
    result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
    await completion_of(api, {"messages": [*HI, sent, result], "tools": [WEATHER]})
    assert "analysis<|message|>I need the weather.<|end|>" in prompt_of(scripted)


async def test_nobody_is_told_what_was_thought_for_somebody_else(scripted: ScriptedServer, api: Api, bob: User) -> None:
    scripted.enqueue(CALL)
    first = await completion_of(api, {"messages": HI, "tools": [WEATHER]})
    (call,) = first.choices[0].message.tool_calls or []
    sent = {"role": "assistant", "tool_calls": [call.model_dump()]}
    result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
    await completion_of(await asyncio.to_thread(Api, bob), {"messages": [*HI, sent, result], "tools": [WEATHER]})
    assert "I need the weather" not in prompt_of(scripted)


async def test_a_call_is_streamed_in_pieces(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(CALL, seconds_per_token=0.01)  # what the engine writes at once comes as one piece
    response = await api.post(URL, {"messages": HI, "tools": [WEATHER], "stream": True})
    chunks = [ChatCompletionChunk.model_validate(event) for event in await events_of(response)]
    pieces = [piece for chunk in chunks for piece in chunk.choices[0].delta.tool_calls or []]
    assert pieces[0].id
    assert pieces[0].function
    assert pieces[0].function.name == "get_weather"
    assert {piece.id for piece in pieces[1:]} == {None}
    assert "".join(piece.function.arguments or "" for piece in pieces if piece.function) == '{"city": "Bonn"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_without_tools_a_call_is_only_a_thought(scripted: ScriptedServer, api: Api) -> None:
    for body in ({"messages": HI}, {"messages": HI, "tools": [WEATHER], "tool_choice": "none"}):
        scripted.enqueue(CALL)
        completion = await completion_of(api, dict(body))
        assert completion.choices[0].message.tool_calls is None
        assert "get_weather" not in prompt_of(scripted)


@pytest.mark.parametrize("stop", ["STOP", ["nothing", "STOP", "OP"]])
async def test_a_stop_string_ends_the_answer_and_the_engine(
    scripted: ScriptedServer, api: Api, stop: str | list[str]
) -> None:
    written = reply("I think STOP.", "One ST" + "OP two ")[:-1]
    scripted.enqueue([*written, *harmony("three " * 500)], hold=threading.Event(), hold_at=len(written))
    response = await api.post(URL, {"messages": HI, "stop": stop, "stream": True})
    deltas = [event["choices"][0] for event in await events_of(response)]  # type: ignore[index]
    assert "".join(choice["delta"].get("content", "") for choice in deltas) == "One "
    assert "".join(choice["delta"].get("reasoning", "") for choice in deltas) == "I think STOP."
    assert deltas[-1]["finish_reason"] == "stop"
    async with asyncio.timeout(5):
        while not scripted.dropped:
            await asyncio.sleep(0.01)


UNHELD = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": UNHELD}}
STRICT = {"type": "function", "function": {"name": "f", "parameters": UNHELD, "strict": True}}


@pytest.mark.parametrize("more", [{"response_format": FORMAT}, {"tools": [STRICT]}], ids=["format", "strict tool"])
async def test_a_schema_that_cannot_be_held_to_is_refused_before_anything_runs(
    scripted: ScriptedServer, api: Api, more: dict[str, object]
) -> None:
    error = await refusal_of(api, {"messages": HI, "stream": True, **more})
    assert "maxLength" in str(error["message"])
    assert scripted.requests == []


async def test_an_engine_without_a_tokenizer_takes_no_schema(scripted: ScriptedServer, api: Api) -> None:
    facts = get_supervisor().facts
    assert facts
    facts.takes_schema = False
    error = await refusal_of(api, {"messages": HI, "response_format": {"type": "json_object"}})
    assert "tokenizer.json" in str(error["message"])


async def test_a_schema_holds_from_where_the_answer_opens(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(reply("I think.", "No JSON at all."))
    scripted.enqueue(harmony('{"a": 1}<|return|>'))
    body = {"messages": HI, "response_format": {"type": "json_object"}, "max_tokens": 50}
    completion = await completion_of(api, body)
    assert completion.choices[0].message.content == '{"a": 1}'
    first, second = scripted.requests
    opened = harmony("<|channel|>analysis<|message|>I think.<|end|><|start|>assistant<|channel|>final<|message|>")
    assert second["prompt"] == [*first["prompt"], *opened]  # type: ignore[misc]
    assert (first["max_tokens"], second["max_tokens"]) == (50, 50 - len(opened))
    assert ("structured_outputs" in first, "structured_outputs" in second) == (False, True)


async def test_what_only_looks_like_a_stop_string_is_shown(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(reply("", "One ST"))
    assert (await completion_of(api, {"messages": HI, "stop": "STOP"})).choices[0].message.content == "One ST"


async def test_an_answer_that_is_cut_off_says_so(scripted: ScriptedServer, api: Api) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        scripted.enqueue(reply("", "word " * 50))
        completion = await completion_of(api, {"messages": HI, name: 10})
        assert completion.choices[0].finish_reason == "length"
        assert completion.usage
        assert completion.usage.completion_tokens == 10


async def test_an_empty_answer_is_an_answer(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(harmony("<|return|>"))
    completion = await completion_of(api, {"messages": HI})
    assert (completion.choices[0].message.content, completion.choices[0].finish_reason) == ("", "stop")


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [
        ({"n": 2}, "n", "invalid_value"),
        ({"logprobs": True}, "logprobs", "invalid_value"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"temperature": "1"}, "temperature", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"max_tokens": 10**30}, "max_tokens", "invalid_value"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort", "invalid_value"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "invalid_value"),
        ({"store": True}, "store", "invalid_value"),
        ({"service_tier": "flex"}, "service_tier", "invalid_value"),
        ({"top_k": 3}, "top_k", "unsupported_parameter"),
        ({"functions": []}, "functions", "unsupported_parameter"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages", None),
        ({"messages": [{"role": "user"}]}, "messages[0]", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content",
            "invalid_value",
        ),
        (
            {"messages": [*HI, {"role": "tool", "content": "x", "tool_call_id": "call_1"}]},
            "messages[1].tool_call_id",
            "invalid_value",
        ),
        ({"tools": [{"type": "web_search"}]}, None, None),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "invalid_value"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(
    scripted: ScriptedServer, api: Api, more: dict[str, object], param: str | None, code: str | None
) -> None:
    error = await refusal_of(api, {"messages": HI, **more})
    assert param is None or error["param"] == param
    assert code is None or error["code"] == code
    assert scripted.requests == []
    assert not get_gate().held


@pytest.mark.parametrize(
    "neutral",
    [
        {"n": 1, "logprobs": False, "top_logprobs": None, "frequency_penalty": 0, "presence_penalty": 0.0},
        {"user": "me", "metadata": {"a": "b"}, "store": False, "service_tier": "auto", "logit_bias": {}},
        {"parallel_tool_calls": True, "tool_choice": "auto", "tools": None, "response_format": {"type": "text"}},
        {"modalities": ["text"], "verbosity": "medium", "stop": None, "stream": False, "temperature": 1},
    ],
)
async def test_what_changes_nothing_is_taken(scripted: ScriptedServer, api: Api, neutral: dict[str, object]) -> None:
    assert (await completion_of(api, {"messages": HI, **neutral})).choices[0].message.content == "An answer."


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"messages": NaN}', b'{"messages": 1e999}', b"null"]
)
async def test_what_is_no_request_is_refused(scripted: ScriptedServer, api: Api, body: bytes) -> None:
    assert (await refusal_of(api, body))["message"]


async def test_a_body_that_is_too_large_is_refused(scripted: ScriptedServer, api: Api) -> None:
    error = await refusal_of(api, {"messages": [{"role": "user", "content": "x" * 3_000_000}]}, status=413)
    assert error["code"] == "request_too_large"


async def test_half_a_character_is_replaced(scripted: ScriptedServer, api: Api) -> None:
    response = await api.post(URL, b'{"messages": [{"role": "user", "content": "a\\ud83d b"}]}')
    assert response.status_code == 200
    assert "a\ufffd b" in prompt_of(scripted)


async def test_another_model_is_not_found(scripted: ScriptedServer, api: Api) -> None:
    error = await refusal_of(api, {"messages": HI, "model": "gpt-4o"}, status=404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "scripted" in str(error["message"])


async def test_an_engine_that_breaks_in_mid_stream_is_an_event(scripted: ScriptedServer, api: Api) -> None:
    for _ in range(3):
        scripted.enqueue(reply("", "word " * 20)[:10], finish_reason=None)
    events = await events_of(await api.post(URL, {"messages": HI, "stream": True}))
    assert "error" in events[-1]
    assert not get_gate().held
    assert (await UsageRecord.objects.aget()).outcome == "failed"


async def test_an_engine_that_breaks_is_no_answer(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue([], finish_reason=None)
    for _ in range(3):
        scripted.enqueue([], status=500)
    error = await refusal_of(api, {"messages": HI}, status=500)
    assert error["type"] == "server_error"


PLACE = {
    "type": "json_schema",
    "json_schema": {"name": "place", "description": "In Germany", "schema": {"type": "object", "properties": {}}},
}


async def test_the_model_is_told_of_the_format(scripted: ScriptedServer, api: Api) -> None:
    await completion_of(api, {"messages": HI, "response_format": PLACE, "tools": [WEATHER]})
    told = prompt_of(scripted, 0)
    assert "} // namespace functions\n\n# Response Formats\n\n## place\n\n// In Germany\n{" in told


async def test_what_is_said_before_the_json_is_thinking(scripted: ScriptedServer, api: Api) -> None:
    preamble = "<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant"
    scripted.enqueue(harmony(f"{preamble}<|channel|>final<|message|>"))
    scripted.enqueue(harmony('{"a":1}<|return|>'))
    completion = await completion_of(api, {"messages": HI, "response_format": PLACE})
    assert json.loads(completion.choices[0].message.content or "") == {"a": 1}
    scripted.enqueue(harmony("Sure, here it is<|return|>"))
    completion = await completion_of(api, {"messages": HI, "response_format": PLACE})
    assert completion.choices[0].message.content == ""


async def test_what_openais_client_adds_to_a_message_may_be_sent_back(scripted: ScriptedServer, api: Api) -> None:
    function = {"name": "get.weather", "arguments": "{}", "parsed_arguments": {"a": 1}}
    call = {"id": "call_1", "type": "function", "index": 0, "function": function}
    answer = {"role": "assistant", "content": "x", "parsed": {"a": 1}, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "There is no such function."}
    await completion_of(api, {"messages": [*HI, answer, result], "tools": [WEATHER]})
    assert "to=functions.get.weather" in prompt_of(scripted)


async def test_what_a_stop_string_held_back_comes_before_the_call(scripted: ScriptedServer, api: Api) -> None:
    preamble = "<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant"
    scripted.enqueue(harmony(f"{preamble}<|channel|>commentary to=functions.get_weather<|message|>{{}}<|call|>"))
    response = await api.post(URL, {"messages": HI, "tools": [WEATHER], "stop": "see.\n", "stream": True})
    text = await text_of(response)
    assert text.index('"content":"see."') < text.index("tool_calls")


async def test_errors_are_told_in_english(scripted: ScriptedServer, api: Api) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 3000}]}
    response = await api.post(URL, body, **{"Accept-Language": "de"})
    assert isinstance(response, HttpResponse)
    assert "too long" in json.loads(response.content)["error"]["message"]


@pytest.mark.parametrize("query", ["wiat=60", "a=1&" * 1100])
async def test_an_unknown_parameter_in_the_address_is_refused(scripted: ScriptedServer, api: Api, query: str) -> None:
    response = await api.post(f"{URL}?{query}", {"messages": HI})
    assert response.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [1] * 500_000},
        {"messages": [*HI, *[{"role": "assistant", "content": "x"}] * 30_000]},
        {"messages": HI, "modalities": [1] * 500_000},
        {"messages": HI, "stop": [1] * 500_000},
    ],
    ids=["no messages", "many messages", "modalities", "stop"],
)
async def test_a_body_of_a_million_mistakes_is_refused_at_the_first(
    scripted: ScriptedServer, api: Api, body: dict[str, object]
) -> None:
    """To tell of all of them would hold the whole server for seconds."""
    error = await refusal_of(api, body)
    assert str(error["param"]).partition("[")[0] in ("messages", "modalities", "stop")


def test_long_texts_are_not_kept() -> None:
    before = messages._cached_message_ids.cache_info().currsize
    for number in range(5):
        messages.message_ids(Role.USER, f"{number} " + "word " * 5000)
        messages.steps_ids([messages.Step("result", f"{number} " + "word " * 5000, "f")])
    assert messages._cached_message_ids.cache_info().currsize == before
