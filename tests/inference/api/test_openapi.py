"""The OpenAPI document and its page tell what there is: all of it, and nothing else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve
from pydantic import BaseModel
from pytest_django import Settings

import inference.api
from inference import urls
from inference.api import openapi
from inference.api.docs import Section, Shape
from inference.api.openapi import document
from inference.api.parameters import MEANINGS, defaults
from inference.api.reference import ENDPOINTS, JSON, REFUSALS, Endpoint
from inference.api.streams import NDJSON
from tests.inference.api.conftest import Api, text_of
from tests.scripted_server import ScriptedServer
from tests.site_process import ROOT

BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
ONLY_IN_STREAMS = {"nothing_written"}
CODE = re.compile(r"""(?:\bcode(?:: str )?= ?|_unavailable\([^"\n]*)"(\w+)\"""")
OTHER_PAGES = {"healthz", "readyz", "metrics", "api-docs", "api-openapi"}


def test_every_address_is_described() -> None:
    served = {pattern.name for pattern in urls.urlpatterns if pattern.name}
    described = {resolve(re.sub(r"\{.*\}", "x", endpoint.path)).url_name for endpoint in ENDPOINTS}
    assert described == served - OTHER_PAGES


def test_every_error_code_is_described() -> None:
    """In the document, and in docs/api.md."""
    folder = Path(inference.api.__path__[0])
    sources = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py") if path.name != "reference.py"]
    raised = {code for source in sources for code in CODE.findall(source)}
    described = {code for refusal in REFUSALS for code in refusal.codes}
    assert raised - ONLY_IN_STREAMS == described
    guide = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert {code for code in described if f"`{code}`" not in guide} == set()


def test_the_document_is_public_and_has_this_sites_address(client: Client) -> None:
    served = client.get("/api/openapi.json", headers={"Host": "127.0.0.1:8123"}).json()
    assert served["openapi"].startswith("3.1.")
    assert served["servers"] == [{"url": "http://127.0.0.1:8123"}]
    assert list(served["paths"]) == list(dict.fromkeys(endpoint.path for endpoint in ENDPOINTS))
    assert client.post("/api/openapi.json").status_code == 405


def test_all_references_lead_somewhere() -> None:
    text = json.dumps(document())
    for kind, name in re.findall(r'"#/components/(\w+)/(\w+)"', text):
        components = document()["components"]
        assert isinstance(components, dict)
        assert name in components[kind]


def test_it_tells_the_defaults_of_this_site(settings: Settings) -> None:
    settings.DEFAULT_MAX_TOKENS, settings.DEFAULT_REASONING_EFFORT = 77, "high"
    properties = openapi._schemas()["GenerateBody"]["properties"]  # type: ignore[index]
    assert properties["max_tokens"]["default"] == 77
    assert properties["reasoning_effort"]["default"] == "high"
    assert "default" not in properties["seed"]


def test_every_parameter_has_a_meaning() -> None:
    for endpoint in ENDPOINTS:
        section = Section(endpoint, "")
        for row in [*section.parameters, *(section.body.rows if section.body else [])]:
            is_explained = any(piece.kind == "shape" for piece in row.type)
            assert row.meaning or is_explained, f"{endpoint.name}: {row.name}"


def test_no_meaning_or_default_is_of_a_parameter_that_is_gone() -> None:
    bodies = [row.name for name in openapi._schemas() for row in Shape(name).rows]
    assert set(MEANINGS) | set(defaults()) <= set(bodies)


# What is answered is what the shapes say


def whole(response: object, shape: type[BaseModel]) -> dict[str, object]:
    assert isinstance(response, HttpResponse)
    assert (response.status_code, response["Content-Type"]) == (200, JSON)
    shape.model_validate_json(response.content, strict=True)
    body: dict[str, object] = json.loads(response.content)
    return body


async def streamed(endpoint: Endpoint, kind: str, api: Api) -> None:
    """Ask for the example as a stream, and hold its events to their shape."""
    body = {**(endpoint.example or {}), **({} if kind == NDJSON or endpoint.name == "generate" else {"stream": True})}
    response = await api.post(endpoint.path, body, Accept=kind)
    assert response["Content-Type"] == kind
    events = [line.removeprefix("data: ") for line in (await text_of(response)).splitlines()]
    told = [event for event in events if event.startswith("{")]
    assert len(told) > 2
    for event in told:
        endpoint.events[kind].model_validate_json(event, strict=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("endpoint", "kind"), [(endpoint, kind) for endpoint in ENDPOINTS for kind in endpoint.events], ids=str
)
async def test_streams_are_as_described(endpoint: Endpoint, kind: str, scripted: ScriptedServer, api: Api) -> None:
    await streamed(endpoint, kind, api)


@pytest.mark.django_db(transaction=True)
async def test_whole_answers_are_as_described(scripted: ScriptedServer, api: Api) -> None:
    shapes = {name: endpoint.answers.get(JSON, BaseModel) for name, endpoint in BY_NAME.items()}
    question = dict(BY_NAME["chat_completions"].example or {}) | {"stream": False}
    whole(await api.post("/v1/chat/completions", question), shapes["chat_completions"])
    answer = whole(await api.post("/v1/responses", BY_NAME["responses"].example), shapes["responses"])
    stored = f"/v1/responses/{answer['id']}"
    assert whole(await api.get(stored), shapes["stored_response"]) == answer
    whole(await api.delete(stored), shapes["delete_response"])
    whole(await api.get("/v1/models"), shapes["models"])
    whole(await api.get("/v1/models/scripted"), shapes["model"])


# The page


class Page(HTMLParser):
    """Anchors, what they lead to, and what a strict policy forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if name := values.get("id"):
            self.ids.append(name)
        if tag == "a":
            self.links.add(values.get("href") or "")
        if tag in ("style", "script") or "style" in values:
            self.inline.append(tag)


@pytest.fixture
def page(db: None, static_files: None, client: Client) -> str:
    response = client.get("/api/docs", headers={"Host": "127.0.0.1:8123"})
    assert response.status_code == 200
    return response.content.decode()


def test_the_page_needs_no_log_in_and_no_script(page: str) -> None:
    assert "http://127.0.0.1:8123/v1" in page
    for endpoint in ENDPOINTS:
        assert f"{endpoint.method} {endpoint.path}" in page
        assert endpoint.summary in page.replace("&#x27;", "'")
    parsed = Page(page)
    assert parsed.inline == []
    assert len(parsed.ids) == len(set(parsed.ids))


def test_every_link_of_the_page_leads_somewhere(page: str, client: Client, ann: User) -> None:
    parsed = Page(page)
    assert {link[1:] for link in parsed.links if link.startswith("#")} <= set(parsed.ids)
    client.force_login(ann)
    for link in sorted(link for link in parsed.links if link.startswith("/")):
        assert client.get(link, follow=True).status_code == 200, link


def test_the_page_tells_types_defaults_and_bounds(page: str) -> None:
    told = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "temperature number from 0 to 2 · default" in told
    assert "wait number from 0 to 600 · default 0" in told
    assert "messages list of Message · required" in told
    assert "reasoning_effort &quot;low&quot;, &quot;medium&quot;, &quot;high&quot; · default &quot;low&quot;" in told
    assert "n 1, null For compatibility" in told


def test_its_commands_have_the_examples(page: str) -> None:
    assert "curl -X DELETE http://127.0.0.1:8123/v1/responses/{response_id}" in page
    for endpoint in ENDPOINTS:
        if endpoint.example:
            assert json.dumps(endpoint.example) in page.replace("&quot;", '"')
