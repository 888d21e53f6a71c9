"""schemathesis over the OpenAPI document: what a running site answers to requests of all kinds is what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pytest
import schemathesis
from schemathesis.schemas import BaseSchema

from inference.api.answers import GenerateEvent
from inference.api.openapi import document
from inference.api.streams import NDJSON
from tests.site.conftest import ScriptedSite, new_key
from tests.site_process import SiteProcess


class Request(Protocol):
    """One that schemathesis thought of."""

    def call_and_validate(self, *, base_url: str, headers: Mapping[str, str]) -> schemathesis.Response: ...


def promised(mode: str, max_examples: int, *phases: str) -> BaseSchema:
    """The document, for the same requests each time.

    That all which the schemas allow is taken is not checked: more rules hold between parameters than schemas tell.
    That keys are asked for is, below; schemathesis would ask three times for each request.
    """
    config = {
        "seed": 1,
        "generation": {"mode": mode, "max-examples": max_examples, "deterministic": True, "database": "none"},
        "phases": {phase: {"enabled": phase in phases} for phase in ("examples", "coverage", "fuzzing", "stateful")},
        "checks": {check: {"enabled": False} for check in ("positive_data_acceptance", "ignored_auth")},
    }
    return schemathesis.openapi.from_dict(document(), config=schemathesis.Config.from_dict(config))


def check(case: Request, site: SiteProcess, key: str) -> None:
    response = case.call_and_validate(base_url=site.url, headers={"Authorization": f"Bearer {key}"})
    if response.headers.get("content-type") == [NDJSON]:
        for line in response.content.splitlines():
            GenerateEvent.model_validate_json(line)


@(promised("all", 6, "examples", "coverage", "fuzzing").parametrize())
def test_nothing_breaks_and_every_answer_is_documented(case: Request, scripted_site: ScriptedSite) -> None:
    check(case, scripted_site.site, scripted_site.key)


@pytest.fixture(scope="module")
def demo_key(demo_site: SiteProcess) -> str:
    return new_key(demo_site)


@(promised("positive", 12, "fuzzing").include(method="POST").parametrize())
def test_nor_does_the_real_engine_break(case: Request, demo_site: SiteProcess, demo_key: str) -> None:
    check(case, demo_site, demo_key)


@(promised("positive", 2, "fuzzing").parametrize())
def test_without_a_key_that_holds_there_is_no_answer(case: Request, scripted_site: ScriptedSite) -> None:
    for headers in ({}, {"Authorization": "Bearer sk-wrong"}):
        assert case.call_and_validate(base_url=scripted_site.site.url, headers=headers).status_code == 401
