"""Everybody asks every address, and is told what docs/access.md says; who is refused has changed nothing."""

from __future__ import annotations

import pytest

from tests.access import table
from tests.access.cast import Cast
from tests.access.columns import ALL, Actors
from tests.access.visit import disagreements

pytestmark = pytest.mark.django_db

ROWS = [(row, actors) for heading, actors in ALL.items() for row in table.rows(heading)]


@pytest.mark.parametrize(("row", "actors"), ROWS, ids=[str(row) for row, _ in ROWS])
def test_everybody_is_told_what_the_table_says(row: table.Row, actors: Actors, cast: Cast) -> None:
    wrong = disagreements(cast, row, actors)
    assert not wrong, "\n".join([str(row), *wrong])
