"""Bodies, addresses and keys that programs send: every answer is documented, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st

from inference.api.openapi import document
from inference.vocabulary import without_lone_surrogates
from tests.hostile.conftest import HostedSite
from tests.hostile.documents import Json, anything, changed
from tests.hostile.examples import TIMES, hostile
from tests.hostile.pages import check
from tests.hostile.texts import any_characters, texts

TOOL: Json = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
SCHEMA: Json = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
CALL: Json = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BODIES: dict[str, Json] = {
    "/api/generate": {"prompt": "Hello", "stop": ["x"], "temperature": 1, "seed": 1, "max_tokens": 50,
    "instructions": "Be brief."},
    "/v1/chat/completions": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {"role": "assistant", "content": None, "reasoning": "A greeting.", "tool_calls": [CALL]},
            {"role": "tool", "content": "1", "tool_call_id": "1", "name": "f"},
        ],
        "model": "scripted", "stream": True, "stream_options": {"include_usage": True}, "tools": [TOOL], "user": "me",
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
        "metadata": {"a": "b"},
    },
    "/v1/responses": {
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "1"},
        ],
        "instructions": "Be brief.", "metadata": {"a": "b"}, "tools": [], "store": True, "stream": False,
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "text"}}, "max_output_tokens": 50, "previous_response_id": None,
    },
}  # fmt: skip


class Request(Protocol):
    """One that schemathesis thought of."""

    def call_and_validate(self, *, base_url: str, headers: Mapping[str, str]) -> schemathesis.Response: ...


promised = schemathesis.openapi.from_dict(
    document(),
    config=schemathesis.Config.from_dict(
        {
            "seed": 2,
            "generation": {"mode": "all", "max-examples": 15 * TIMES, "deterministic": True, "database": "none"},
            "phases": {
                phase: {"enabled": phase == "fuzzing"} for phase in ("examples", "coverage", "fuzzing", "stateful")
            },
            "checks": {check: {"enabled": False} for check in ("positive_data_acceptance", "ignored_auth")},
        }
    ),
)


@promised.parametrize()
def test_every_answer_is_documented(case: Request, hosted: HostedSite) -> None:
    case.call_and_validate(base_url=hosted.site.url, headers={"Authorization": f"Bearer {hosted.key}"})


def post(hosted: HostedSite, path: str, body: bytes, **headers: str) -> httpx.Response:
    sent = {"Authorization": f"Bearer {hosted.key}", "Content-Type": "application/json", **headers}
    return check(httpx.post(f"{hosted.site.url}{path}", content=body, headers=sent, trust_env=False, timeout=30))


def check_error(response: httpx.Response) -> None:
    is_of_the_site = "server" not in response.headers  # what is no HTTP is refused by the server before it
    if response.status_code >= 400 and is_of_the_site:
        assert response.headers["content-type"] == "application/json", (response.request.headers.raw, response.text)
        assert response.json()["error"]["message"], response.text


@pytest.mark.parametrize("path", BODIES)
def test_bodies(hosted: HostedSite, path: str) -> None:
    assert post(hosted, path, json.dumps(BODIES[path]).encode()).status_code == httpx.codes.OK

    @hostile(70)
    @given(body=changed(BODIES[path]) | anything)
    def each(body: Json) -> None:
        check_error(post(hosted, path, json.dumps(body).encode()))

    each()


BROKEN = [
    b"", b"{", b"\xff", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"null", b"[" * 100_000, b'{"a":' * 100_000,
    b"9" * 10_000,
    b'{"prompt": "a", "prompt": "b"}', b'{"prompt": NaN}', b'{"seed": 1e400, "prompt": "a"}', b'{"prompt": "\\ud800"}',
    b'{"prompt": "\\ud800', b'{"prompt": "\x00"}', b'{"prompt": "\xed\xa0\x80"}', b'{"\\ud800": 1}', b"{}" * 1_000,
    b'{"prompt": "' + b"a" * 3_000_000 + b'"}', b'{"seed": ' + b"9" * 5_000 + b"}",
    b'{"prompt": "\\ud800", "a": ' + b"[" * 2_000,
    *(b'{"prompt": "\\ud800", "a": ' + b"[" * depth + b"]" * depth + b"}" for depth in range(900, 1000, 10)),
]  # fmt: skip


@pytest.mark.parametrize("path", BODIES)
def test_broken_bodies(hosted: HostedSite, path: str) -> None:
    for body in BROKEN:
        check_error(post(hosted, path, body))


@hostile(60)
@given(name=any_characters, value=any_characters, prompt=any_characters)
def test_metadata_of_a_stored_response_comes_back(hosted: HostedSite, name: str, value: str, prompt: str) -> None:
    body = {"input": prompt, "metadata": {name: value}, "store": True}
    response = post(hosted, "/v1/responses", json.dumps(body).encode())

    check_error(response)
    if response.status_code == httpx.codes.OK:
        headers = {"Authorization": f"Bearer {hosted.key}"}
        stored = httpx.get(f"{hosted.site.url}/v1/responses/{response.json()['id']}", headers=headers, trust_env=False)
        assert stored.json()["metadata"] == {stored_as(name): stored_as(value)}


def stored_as(text: str) -> str:
    """As every database takes it."""
    return without_lone_surrogates(text).replace("\0", "\ufffd")


@hostile(60)
@given(key=texts, address=texts, query=st.dictionaries(texts, texts, max_size=2))
def test_keys_and_addresses(hosted: HostedSite, key: str, address: str, query: dict[str, str]) -> None:
    printable = "".join(sign for sign in key if sign.isprintable())[:2000].strip().encode() or b"x"
    with httpx.Client(base_url=hosted.site.url, trust_env=False) as client:
        asked = client.build_request("GET", "/v1/models/x", headers=[(b"Authorization", b"Bearer " + printable)])
        check_error(check(client.send(asked)))
        held = {"Authorization": f"Bearer {hosted.key}"}
        for path in ("/v1/models", "/v1/responses/x", "/api/generate"):
            check_error(
                check(client.get(path, params={name[:200]: value[:500] for name, value in query.items()}, headers=held))
            )
        escaped = httpx.QueryParams({"": address[:500]})
        check_error(check(client.get(f"/v1/models/{str(escaped)[1:]}", headers=held)))
        check_error(check(client.delete(f"/v1/responses/{str(escaped)[1:]}", headers=held)))
