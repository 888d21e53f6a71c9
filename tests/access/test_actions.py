"""What is done with many at once, in the lists of the management."""

from __future__ import annotations

import pytest

from tests.access import table
from tests.access.cast import NOBODY, Cast
from tests.access.columns import PAGE_ACTORS
from tests.access.examples import object_of
from tests.access.visit import Outcome, visit

pytestmark = pytest.mark.django_db

ROWS = table.rows("Actions of the management's lists")


def act(cast: Cast, actor: str, row: table.Row) -> Outcome:
    subject = cast.people["disabled"] if row.detail == "enable" else object_of(row.name, cast)
    form = {"action": row.detail, "_selected_action": str(subject.pk), "post": "yes"}
    return visit(cast, actor, "POST", row.name, form=form)


def word_of(outcome: Outcome) -> str:
    """An action that is not offered leads back to the list, and nothing has happened."""
    return "no" if outcome.word == "yes" and not outcome.writes else outcome.word


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_actions_are_for_those_of_the_table(row: table.Row, cast: Cast) -> None:
    assert {column: word_of(act(cast, PAGE_ACTORS[column][0], row)) for column in row.words} == row.words
    assert {act(cast, actor, row).word for actor in (*NOBODY, *PAGE_ACTORS["members"])} == {"log in"}
