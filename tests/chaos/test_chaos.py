"""A short run of the chaos, and whether it would notice a broken promise; `make chaos` runs longer ones."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.chaos.engine import EngineProcess, answer_to, thinking_to, tokens_of
from tests.chaos.faults import FAULTS
from tests.chaos.house import House
from tests.chaos.invariants import Memory, Saved, broken
from tests.chaos.plan import plan
from tests.chaos.run import run
from tests.chaos.talker import Talker
from tests.guests import Guest

SEED = 3
FAULTS_OF_THE_RUN = 8


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def test_every_promise_holds_while_things_break(tmp_path: Path) -> None:
    report = run(SEED, FAULTS_OF_THE_RUN, "small", tmp_path / "house", say)
    assert report.broken == []
    assert sum(report.faults.values()) == FAULTS_OF_THE_RUN
    assert report.outcomes["complete"]


def test_a_seed_is_a_plan() -> None:
    kinds = list(FAULTS)
    first = plan(1, 40, kinds)
    assert first == plan(1, 40, kinds)
    assert first != plan(2, 40, kinds)
    counts = Counter(fault.kind for each in first for fault in each.faults)
    assert sum(counts.values()) == 40
    assert set(counts) == set(kinds)


PROMPT = "p1q1"
ASKED = Saved(1, None, "user", "complete", PROMPT, "", "", [])
ANSWER = Saved(2, 1, "assistant", "complete", answer_to(PROMPT), thinking_to(PROMPT), "", tokens_of(PROMPT))
HOUSE = House("small", "", [], [], None, EngineProcess({}))


def broken_by(*messages: Saved) -> list[str]:
    talker = Talker("p1", Guest("x"), [], Random(1), asked=[PROMPT])
    return broken(HOUSE, {message.key: message for message in messages}, [talker])


def test_what_is_as_it_should_be_breaks_no_promise() -> None:
    assert broken_by(ASKED, ANSWER) == []
    cut = replace(ANSWER, status="interrupted", text="", thinking="", token_ids=[])
    assert broken_by(ASKED, cut) == []


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "prompt p1q1 is lost"),
        ([ASKED, replace(ASKED, key=3), ANSWER], "prompt p1q1 is there 2 times"),
        ([ASKED, replace(ANSWER, status="streaming")], "has no outcome"),
        ([ASKED, replace(ANSWER, status="failed")], "does not say why it failed"),
        ([ASKED, replace(ANSWER, text="", thinking="", token_ids=[])], "is empty"),
        ([ASKED, replace(ANSWER, text=ANSWER.text + ANSWER.text[-5:])], "its tokens with"),
        (
            [ASKED, replace(ANSWER, token_ids=[*ANSWER.token_ids[:5], *ANSWER.token_ids])],
            "were never written",
        ),
        ([ASKED, replace(ANSWER, text=ANSWER.text[:-1])], "is not what was written"),
    ],
)
def test_a_broken_promise_is_noticed(messages: list[Saved], told: str) -> None:
    assert any(told in each for each in broken_by(*messages))


def test_words_that_were_saved_once_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    monkeypatch.setattr("tests.chaos.invariants.saved", lambda _house: {2: ANSWER})
    memory.look(HOUSE)
    monkeypatch.setattr("tests.chaos.invariants.saved", lambda _house: {2: replace(ANSWER, token_ids=[1])})
    memory.look(HOUSE)
    monkeypatch.setattr("tests.chaos.invariants.saved", lambda _house: {})
    memory.look(HOUSE)
    assert memory.broken == [
        f"message 2 had {len(ANSWER.token_ids)} tokens that it has no more",
        "message 2 is gone",
    ]
