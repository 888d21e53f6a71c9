"""The log of a running server: whose request each line belongs to, and nothing of what anybody wrote."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from inference.errors import EngineDiedError
from localai_site.logs import JsonFormatter, RequestFilter, TextFormatter, _secrets
from tests.conftest import NewSite
from tests.scripted_server import ScriptedServer, reply
from tests.site.conftest import ScriptedSite, new_key
from tests.viewer import Person, Viewer

SECRET = "Rumpelstilzchen"
"""In everything that people, programs and the model say here."""


@pytest.fixture(scope="module")
def json_site(new_site: NewSite) -> Iterator[ScriptedSite]:
    script = ScriptedServer().start()
    site = new_site(
        ENGINE="vllm-server", VLLM_SERVER_URL=script.url, MODEL_NAME="scripted", LOG_FORMAT="json", LOG_LEVEL="DEBUG"
    )
    try:
        yield ScriptedSite(site.start().wait_ready(), script, new_key(site))
    finally:
        site.stop()
        script.stop()


async def chat(at: ScriptedSite) -> str:
    """Ask over the socket, with instructions and a title; returns the conversation's path."""
    ann = Person(at.site)
    path = ann.new_conversation(at.site)
    headers = ann.headers | {"X-CSRFToken": ann.cookies["csrftoken"], "Referer": at.site.url}
    async with httpx.AsyncClient(base_url=at.site.url, headers=headers, trust_env=False, timeout=30) as client:
        kept = {"source": "own", "instructions": SECRET, "initial-own_effort": "", "own_max_tokens": ""}
        await client.post(f"{path}settings/", data=kept)
        at.script.enqueue(reply(f"Think of {SECRET}.", f"{SECRET} it is."))
        async with Viewer(ann, at.site, path) as viewer:
            await viewer.ask(f"Who is {SECRET}?")
            assert await viewer.until_ended() == "complete"
            assert SECRET in viewer.answer
            assert counted(at)["localai_sockets_open",] == 1
            await viewer._send(prompt=SECRET * 100_000, effort="low", key="", edits="")
            await viewer._socket.send(f"{{{SECRET}")
        await client.post(f"{path}rename/", data={"title": SECRET})
        await client.post(f"{path}meter/", data={"prompt": SECRET})
        assert SECRET in (await client.get("/search/", params={"q": SECRET})).text
        assert (await client.get(path, params={"from": SECRET})).status_code == 200
        assert (await client.get(f"/accounts/invitation/{SECRET}/")).status_code in (404, 410)
        await client.get(f"/accounts/password/new/MQ/{SECRET}/")
        await client.post("/import/", files={"file": (f"{SECRET}.json", f"{{{SECRET}")})
        await client.post(f"{path}prompt/", data={"prompt": SECRET, "key": SECRET, "effort": SECRET})
    return path


async def use_the_api(at: ScriptedSite) -> None:
    headers = {"Authorization": f"Bearer {at.key}", "X-Request-ID": "program-7"}
    async with httpx.AsyncClient(base_url=at.site.url, headers=headers, trust_env=False, timeout=30) as client:
        messages = [{"role": "user", "content": SECRET}]
        at.script.enqueue(reply(SECRET, SECRET))
        answer = await client.post("/v1/chat/completions", json={"messages": messages})
        assert SECRET in answer.text
        assert answer.headers["X-Request-ID"] == "program-7"
        for body in (f"{{{SECRET}", f'{{"messages": "{SECRET}"}}', f'{{"{SECRET}": 1}}'):
            assert (await client.post("/v1/chat/completions", content=body)).status_code == 400
        await client.post("/api/generate", params={"wait": SECRET}, json={"prompt": SECRET})
        at.script.enqueue([], status=500)
        await client.post("/api/generate", json={"prompt": SECRET})
        await client.post("/v1/responses", json={"input": SECRET, "previous_response_id": SECRET})
        forged = {"Authorization": f"Bearer {SECRET}", "X-Request-ID": f"{SECRET} {SECRET}"}
        assert (await client.get("/v1/models", headers=forged)).status_code == 401


def break_database(at: ScriptedSite) -> None:
    """Where somebody writes, an error of the server."""
    with closing(sqlite3.connect(at.site.folder / "db.sqlite3", timeout=20)) as connection:
        connection.execute("ALTER TABLE chat_preset RENAME TO chat_preset_away")
    ann = Person(at.site)
    headers = ann.headers | {"X-CSRFToken": ann.cookies["csrftoken"], "Referer": at.site.url}
    form = {"name": SECRET, "instructions": SECRET}
    response = httpx.post(f"{at.site.url}/settings/presets/", data=form, headers=headers, trust_env=False, timeout=30)
    assert response.status_code == 500


def counted(at: ScriptedSite) -> dict[tuple[str, ...], float]:
    text = httpx.get(f"{at.site.url}/metrics", trust_env=False, timeout=30).text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_json_log_tells_all_but_what_was_written(json_site: ScriptedSite) -> None:
    path = await chat(json_site)
    await use_the_api(json_site)
    break_database(json_site)
    log = json_site.site.log
    assert SECRET.lower() not in log.lower()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"time", "level", "logger", "message", "request_id"} <= set.intersection(*(set(line) for line in lines))
    failed = next(line for line in lines if "OperationalError" in line.get("exception", ""))
    assert (failed["level"], failed["logger"]) == ("ERROR", "django.request")
    opened = next(line for line in lines if line["message"] == f"SOCKET /ws{path} opened")
    order = f"{opened['request_id']}.1"
    began, ended = (line for line in lines if line["request_id"] == order and line["logger"] == "inference.usage")
    assert (began["source"], began["effort"], ended["outcome"]) == ("chat", "low", "complete")
    assert ended["thinking_tokens"] > 0
    assert [each for each in json_site.script.request_ids if each.startswith(f"{order}-")]
    engines = [each for each in json_site.script.request_ids if each.startswith("program-7-")]
    assert len(engines) == len(set(engines)) == 3, "one of its two generations goes on after an error of the engine"
    asked = [line for line in lines if line["request_id"] == "program-7" and line.get("status") == 200]
    assert asked[0]["path"] == "/v1/chat/completions"


async def test_metrics_count_what_was_done(json_site: ScriptedSite) -> None:
    before = counted(json_site)
    ids = reply("I think so.", "Yes, it is.")
    json_site.script.enqueue(ids)
    headers = {"Authorization": f"Bearer {json_site.key}"}
    async with httpx.AsyncClient(base_url=json_site.site.url, headers=headers, trust_env=False, timeout=30) as client:
        answer = (
            await client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hi"}]})
        ).json()
        too_long = {"messages": [{"role": "user", "content": "word " * 5000}]}
        assert (await client.post("/v1/chat/completions", json=too_long)).status_code == 400
    after = counted(json_site)
    grown = {key: after[key] - before.get(key, 0.0) for key in after}
    usage = answer["usage"]
    assert grown["localai_generations_total", "complete", "chat_completions"] == 1
    assert sum(value for key, value in grown.items() if key[0] == "localai_generations_total") == 1
    assert grown["localai_tokens_total", "prompt"] == usage["prompt_tokens"]
    assert grown["localai_tokens_total", "thinking"] == usage["completion_tokens_details"]["reasoning_tokens"]
    assert grown["localai_tokens_total", "answer"] > 0
    assert grown["localai_first_token_seconds_count",] == 1
    assert grown["localai_generation_seconds_count", "chat_completions"] == 1
    assert grown["localai_refusals_total", "prompt_too_long", "chat_completions"] == 1
    assert (after["localai_gate_held",], after["localai_gate_width",], after["localai_replies_running",]) == (0, 1, 0)


async def test_a_text_log_has_the_same_and_no_query(scripted_site: ScriptedSite) -> None:
    await chat(scripted_site)
    await use_the_api(scripted_site)
    log = scripted_site.site.log
    assert SECRET.lower() not in log.lower()
    assert re.search(r"INFO localai_site\.access \[\w+\]: GET /search/ 200 in [\d.]+ s$", log, re.MULTILINE)
    assert re.search(r"INFO inference\.usage \[\w+\.1\]: Generation ended: .*outcome=complete", log)
    assert "/healthz" not in log


@pytest.mark.parametrize("formatter", [TextFormatter("{request_id}: {message}", style="{"), JsonFormatter()])
def test_no_log_quotes_an_exception_that_may_quote_people(formatter: logging.Formatter) -> None:
    def record(name: str, message: str, *arguments: object) -> str:
        made = logging.LogRecord(name, logging.ERROR, __file__, 1, message, arguments, sys.exc_info())
        RequestFilter().filter(made)
        return formatter.format(made)

    try:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            cause = error
            raise EngineDiedError("The engine broke.") from error
    except EngineDiedError:
        logged = record("chat.replies", "Answer %d broke.", 5)
        foreign = record("daphne.server", "Exception inside application: %s", cause)
        whole = record("daphne.http_protocol", traceback.format_exc())
        asyncio = record("asyncio", f"Task exception was never retrieved\nfuture: <Task exception={cause!r}>")
    assert "Answer 5 broke." in logged
    assert "EngineDiedError: The engine broke." in logged
    assert "ValueError (its text is not logged)" in logged
    assert "Task exception was never retrieved" in asyncio
    assert "ValueError (its text is not logged)" in whole
    assert SECRET not in logged + foreign + whole + asyncio


@pytest.fixture
def no_known_secrets() -> Iterator[None]:
    _secrets.cache_clear()
    yield
    _secrets.cache_clear()


@pytest.mark.parametrize("formatter", [TextFormatter("{request_id}: {message}", style="{"), JsonFormatter()])
def test_no_log_has_a_key_or_a_password(
    formatter: logging.Formatter, settings: Settings, no_known_secrets: None
) -> None:
    """Whoever quotes one: also an exception that may speak, and one of ours."""
    longer = f"{SECRET}-the-longer"
    settings.SECRETS = frozenset({SECRET, longer})
    try:
        raise OSError(longer)
    except OSError:
        record = logging.LogRecord(
            "inference", logging.ERROR, __file__, 1, "No %s at redis://ann:short@redis", (SECRET,), sys.exc_info()
        )
    RequestFilter().filter(record)
    logged = formatter.format(record)
    assert "No … at redis://redis" in logged
    assert "OSError: …" in logged
    assert "-the-longer" not in logged
