"""Limits for a day, as a program meets them: what counts, who is refused, and how that is counted."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.http import HttpResponse
from django.utils import timezone
from pytest_django import Settings

from inference import refusals as refusals_module
from inference.daily_limits import seconds_to_midnight, used_today
from inference.errors import BusyError, EngineNotReadyError
from inference.gate import get_gate
from inference.models import DailyLimits, Refusal, Source, UsageRecord
from inference.refusals import Refusals, Row, refusals
from inference.usage import Caller
from tests.inference.api.conftest import Api, text_of
from tests.scripted_server import ScriptedServer, reply

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/generate"


@pytest.fixture(autouse=True)
def nothing_is_unwritten() -> None:
    refusals.forget()


def of_today(user: User, *, tokens: int = 10, days_ago: int = 0) -> UsageRecord:
    return UsageRecord(
        user=user,
        source=Source.CHAT,
        day=timezone.localdate() - timedelta(days=days_ago),
        prompt_tokens=tokens - 4,
        thinking_tokens=1,
        answer_tokens=2,
        completion_tokens=4,
        dropped_turns=0,
        total_seconds=1,
        outcome="complete",
    )


async def refused(api: Api) -> HttpResponse:
    response = await api.post(URL, {"prompt": "Hi"})
    assert isinstance(response, HttpResponse)
    assert response.status_code == 429
    return response


async def test_a_reached_limit_is_a_429_until_midnight(scripted: ScriptedServer, api: Api) -> None:
    await DailyLimits.objects.acreate(user=api.user, generations=2)
    for days_ago in (0, 0, 1):
        await of_today(api.user, days_ago=days_ago).asave()
    response = await refused(api)
    error = json.loads(response.content)["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    assert "2 of 2 answers" in error["message"]
    assert abs(int(response["Retry-After"]) - seconds_to_midnight()) < 60
    assert scripted.requests == []
    assert not get_gate().held
    refusal = await Refusal.objects.aget()
    assert (refusal.user_id, refusal.source, refusal.reason, refusal.count) == (api.user.pk, "generate", "limit", 1)


async def test_tokens_are_those_of_prompts_and_answers(scripted: ScriptedServer, api: Api) -> None:
    await DailyLimits.objects.acreate(user=api.user, tokens=21)
    await of_today(api.user, tokens=20).asave()
    await text_of(await api.post(URL, {"prompt": "Hi"}))
    assert "of 21 tokens" in json.loads((await refused(api)).content)["error"]["message"]


async def test_a_generation_counts_from_its_beginning_on_and_once(scripted: ScriptedServer, api: Api) -> None:
    await DailyLimits.objects.acreate(user=api.user, generations=1)
    await text_of(await api.post(URL, {"prompt": "Hi"}))
    record = await UsageRecord.objects.aget()
    assert record.outcome == "complete"
    assert record.completion_tokens > 0
    await refused(api)
    assert await UsageRecord.objects.acount() == 1


async def test_of_two_at_once_only_one_is_the_last(scripted: ScriptedServer, api: Api, settings: Settings) -> None:
    settings.MAX_CONCURRENT_GENERATIONS = 4
    get_gate.cache_clear()
    await DailyLimits.objects.acreate(user=api.user, generations=1)
    hold = threading.Event()
    for _ in range(3):
        scripted.enqueue(reply("", "Late."), hold=hold)
    posts = [asyncio.ensure_future(api.post(URL, {"prompt": "Hi"})) for _ in range(3)]
    responses = await asyncio.gather(*posts)
    assert sorted(response.status_code for response in responses) == [200, 429, 429]
    assert await UsageRecord.objects.filter(outcome="interrupted").acount() == 1
    hold.set()
    (running,) = (response for response in responses if response.status_code == 200)
    await text_of(running)
    assert (await UsageRecord.objects.aget()).outcome == "complete"
    assert not get_gate().held


async def test_a_prompt_that_is_refused_does_not_count(scripted: ScriptedServer, api: Api) -> None:
    await DailyLimits.objects.acreate(user=api.user, generations=1)
    assert (await api.post(URL, {"prompt": "word " * 5000})).status_code == 400
    assert not await UsageRecord.objects.aexists()


async def test_others_have_no_limit(scripted: ScriptedServer, api: Api, bob: User) -> None:
    await DailyLimits.objects.acreate(user=bob, generations=0, tokens=0)
    assert await text_of(await api.post(URL, {"prompt": "Hi"}))


async def test_many_refusals_are_few_writes_and_none_is_lost(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    add = refusals_module._add

    def noted(row: Row, count: int) -> None:
        written.append(count)
        add(row, count)

    monkeypatch.setattr(refusals_module, "_add", noted)
    counted = Refusals()
    for _ in range(50):
        await counted.note(Caller(Source.CHAT, ann.pk), BusyError())
    await counted.note(Caller(Source.CHAT, ann.pk), EngineNotReadyError("Wait."))
    assert written == [1]
    await asyncio.to_thread(counted.write)
    assert written == [1, 49]
    assert (await Refusal.objects.aget()).count == 50


async def test_refusals_wait_for_a_database_that_is_away(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Refusals()
    with monkeypatch.context() as broken:
        broken.setattr(refusals_module, "_add", _fail)
        await counted.note(Caller(Source.CHAT, ann.pk), BusyError())
    assert not await Refusal.objects.aexists()
    await asyncio.to_thread(counted.write)
    assert (await Refusal.objects.aget()).count == 1


def _fail(row: object, count: int) -> None:
    raise DatabaseError("It is away.")


def test_refusals_of_somebody_who_is_gone_are_dropped() -> None:
    counted = Refusals()
    asyncio.run(counted.note(Caller(Source.CHAT, 12_345), BusyError()))
    counted.write()
    assert not Refusal.objects.exists()
    assert not counted._unwritten


def test_a_day_ends_at_midnight_of_the_time_zone(monkeypatch: pytest.MonkeyPatch, ann: User) -> None:
    now = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)  # half past midnight in Berlin, where the clocks go back today
    monkeypatch.setattr(timezone, "now", lambda: now)
    with timezone.override("Europe/Berlin"):
        of_today(ann).save()
        assert used_today(ann.pk).generations == 1
        assert 24.5 * 3600 <= seconds_to_midnight() <= 24.5 * 3600 + 1
        now = datetime(2026, 10, 25, 23, 30, tzinfo=UTC)
        assert used_today(ann.pk).generations == 0
