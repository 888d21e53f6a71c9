"""The load test itself, small: it says that all is well when it is, and that it is not when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.scale import Kind, house
from tests.load import talk, traffic
from tests.load.__main__ import Crowd, options
from tests.load.browser import Browser
from tests.load.mix import VISIT
from tests.scripted_server import reply

SMALL = ["--users", "5", "--seconds", "2", "--rate", "15", "--generations", "60", "--conversations", "31"]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    folder: Path = tmp_path_factory.mktemp("load")
    with house(Kind("small", sql=False, redis=False), folder / "site") as built:
        yield Crowd(built, options(SMALL))


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a machine at rest, or for words: what is measured here is of no interest."""
    monkeypatch.setattr("tests.load.__main__.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(talk, "TOKENS_PER_SECOND", 400.0)


def test_a_site_at_ease_serves_everything(crowd: Crowd, capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(crowd.load())
    said = capsys.readouterr().out
    assert "errors: 0; sockets lost: 0" in said
    assert "answers: 2, not as written: 0" in said
    assert "web process 1" in said
    asked = {line.split("|")[1].strip() for line in said.splitlines() if line.startswith("| ")}
    assert {"page", "socket", "static file", "meter"} < asked <= {"kind", "socket", *VISIT}


def test_what_is_wrong_is_told(
    crowd: Crowd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that are not as they were written, and somebody else's words."""
    monkeypatch.setattr(talk, "reply", lambda thinking, answer: reply(thinking, answer.replace("two", "too")))
    monkeypatch.setattr(traffic, "VISIT", {"item": 1})
    do = Browser.do

    async def do_as_somebody_else(browser: Browser, kind: str, due: float) -> None:
        monkeypatch.setattr(browser, "_name", "nobody" if kind == "item" else browser._name)
        await do(browser, kind, due)

    monkeypatch.setattr(Browser, "do", do_as_somebody_else)
    assert not asyncio.run(crowd.load())
    said = capsys.readouterr().out
    assert "answered something else" in said
    assert "answers: 2, not as written: 4" in said
    assert "at the socket" in said
    assert "as saved" in said
