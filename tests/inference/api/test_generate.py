"""/api/generate before a scripted engine, and what all endpoints share: the gate, waiting, the loading engine."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from django.http import HttpResponse

from inference.gate import get_gate
from inference.models import UsageRecord
from inference.status import Status
from inference.supervisor import get_supervisor
from tests.inference.api.conftest import Api, text_of
from tests.inference.api.test_chat_completions import prompt_of
from tests.scripted_server import ScriptedServer, harmony, reply

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/generate"


async def lines_of(api: Api, body: object, query: str = "") -> list[dict[str, object]]:
    response = await api.post(URL + query, body)
    assert response["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in (await text_of(response)).splitlines()]


async def test_events_tell_the_whole_story(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(reply("They greet.", "Hello!"))
    events = await lines_of(api, {"prompt": "Hi", "instructions": "Be kind.", "reasoning_effort": "medium"})
    start, *told, done = events
    assert start["event"] == "start"
    assert start["model"] == "scripted"
    assert "".join(str(event["text"]) for event in told if event["event"] == "analysis") == "They greet."
    assert "".join(str(event["text"]) for event in told if event["event"] == "final") == "Hello!"
    assert (done["event"], done["outcome"], done["truncated"]) == ("done", "complete", {"dropped_turns": 0})
    assert isinstance(done["usage"], dict)
    assert done["usage"]["prompt_tokens"] == start["prompt_tokens"]
    assert isinstance(done["timings"], dict)
    assert done["timings"]["total_seconds"] >= done["timings"]["first_token_seconds"] > 0
    assert "# Instructions\n\nBe kind." in prompt_of(scripted)
    assert "Reasoning: medium" in prompt_of(scripted)


async def test_the_same_as_server_sent_events(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(reply("", "Hello!\r\n\u2028next"))
    response = await api.post(URL, {"prompt": "Hi"}, Accept="text/event-stream")
    assert response["Content-Type"] == "text/event-stream"
    first, *_between, last, _end = (await text_of(response)).split("\n\n")
    name, data = first.split("\n")
    assert (name, json.loads(data.removeprefix("data: "))["event"]) == ("event: start", "start")
    assert last.startswith("event: done\ndata: {")


async def test_messages_are_a_conversation(scripted: ScriptedServer, api: Api) -> None:
    messages = [
        {"role": "user", "content": "My name is Ann."},
        {"role": "assistant", "content": "Hello Ann."},
        {"role": "user", "content": "Who am I?"},
    ]
    await lines_of(api, {"messages": messages, "max_tokens": 5})
    assert "Hello Ann." in prompt_of(scripted)
    assert scripted.requests[-1]["max_tokens"] == 5


@pytest.mark.parametrize(
    "body", [{}, {"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, {"prompt": "  "}, {"messages": []}]
)
async def test_one_prompt_is_needed(scripted: ScriptedServer, api: Api, body: dict[str, object]) -> None:
    response = await api.post(URL, body)
    assert response.status_code == 400
    assert scripted.requests == []


async def test_an_engine_that_breaks_is_told_and_counted(scripted: ScriptedServer, api: Api) -> None:
    for _ in range(3):
        scripted.enqueue(reply("", "word " * 20)[:10], finish_reason=None)
    *_before, error, done = await lines_of(api, {"prompt": "Hi"})
    assert error["event"] == "error"
    assert isinstance(error["error"], dict)
    assert error["error"]["type"] == "server_error"
    assert (done["event"], done["outcome"]) == ("done", "failed")
    assert not get_gate().held


async def test_an_answer_without_a_word_says_why(scripted: ScriptedServer, api: Api) -> None:
    scripted.enqueue(harmony("<|return|>"))
    *_before, error, done = await lines_of(api, {"prompt": "Hi"})
    assert isinstance(error["error"], dict)
    assert error["error"]["code"] == "nothing_written"
    assert done["outcome"] == "failed"


async def test_a_busy_gate_is_a_429_or_waited_for(scripted: ScriptedServer, api: Api) -> None:
    hold = threading.Event()
    scripted.enqueue(reply("", "The first."), hold=hold)
    first = asyncio.create_task(lines_of(api, {"prompt": "one"}))
    async with asyncio.timeout(10):
        while not get_gate().is_full:
            await asyncio.sleep(0.01)

    refused = await api.post(URL, {"prompt": "two"})
    assert isinstance(refused, HttpResponse)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert json.loads(refused.content)["error"]["type"] == "rate_limit_error"
    in_vain = await api.post(f"{URL}?wait=0.1", {"prompt": "three"})
    assert in_vain.status_code == 429

    scripted.enqueue(reply("", "Second."))
    scripted.enqueue(reply("", "Third."))
    second = asyncio.create_task(lines_of(api, {"prompt": "four"}, "?wait=30"))
    await asyncio.sleep(0)
    third = asyncio.create_task(lines_of(api, {"prompt": "five"}, "?wait=30"))
    left = asyncio.create_task(lines_of(api, {"prompt": "six"}, "?wait=30"))
    await asyncio.sleep(0.1)
    left.cancel()
    hold.set()
    for running, text in ((first, "The first."), (second, "Second."), (third, "Third.")):
        assert "".join(str(event["text"]) for event in await running if event["event"] == "final") == text
    await asyncio.gather(left, return_exceptions=True)
    assert len(scripted.requests) == 3
    assert not get_gate().held


@pytest.mark.parametrize("wait", ["x", "-1", "nan", "inf", "601", ""])
async def test_a_wait_must_be_seconds(scripted: ScriptedServer, api: Api, wait: str) -> None:
    response = await api.post(f"{URL}?wait={wait}", {"prompt": "Hi"})
    assert isinstance(response, HttpResponse)
    assert json.loads(response.content)["error"]["param"] == "wait"


async def test_while_the_engine_loads_its_state_is_told(scripted: ScriptedServer, api: Api) -> None:
    await asyncio.to_thread(get_supervisor().stop)
    get_supervisor()._board.publish(Status("loading", "Loading weights"))
    response = await api.post(URL, {"prompt": "Hi"})
    assert isinstance(response, HttpResponse)
    assert response.status_code == 503
    error = json.loads(response.content)["error"]
    assert (error["code"], error["state"], error["detail"]) == ("engine_not_ready", "loading", "Loading weights")
    assert int(response["Retry-After"]) > 0
    get_supervisor()._board.publish(Status("failed", reason="No GPU.", fix="Buy one."))
    response = await api.post(URL, {"prompt": "Hi"})
    assert isinstance(response, HttpResponse)
    assert "Buy one." in json.loads(response.content)["error"]["message"]


async def test_every_generation_leaves_one_record(scripted: ScriptedServer, api: Api) -> None:
    await lines_of(api, {"prompt": "Hi"})
    record = await UsageRecord.objects.aget()
    assert (record.user_id, record.source, record.model) == (api.user.pk, "generate", "scripted")
    assert record.first_token_seconds is not None
    assert record.total_seconds >= record.first_token_seconds


async def test_the_model_is_listed(scripted: ScriptedServer, api: Api) -> None:
    listed = json.loads((await api.get("/v1/models")).content)
    assert [model["id"] for model in listed["data"]] == ["scripted"]
    assert json.loads((await api.get("/v1/models/scripted")).content) == listed["data"][0]
    assert (await api.get("/v1/models/gpt-4o")).status_code == 404


@pytest.mark.parametrize("path", ["/v1/", "/v1/nothing", "/api/", "/api/generate/", "/v1/chat/completions/"])
async def test_unknown_addresses_answer_in_the_same_shape(api: Api, path: str) -> None:
    response = await api.post(path, {})
    assert isinstance(response, HttpResponse)
    assert response.status_code == 404
    assert json.loads(response.content)["error"]["code"] == "unknown_url"


async def test_a_wrong_method_is_told_the_right_one(api: Api) -> None:
    response = await api.get(URL)
    assert (response.status_code, response["Allow"]) == (405, "POST")
