"""A pytest plugin: empties PostgreSQL's tables between tests by DELETE.

TRUNCATE, which Django uses, makes new files for each table and index: for tables of a few rows a fifth of a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest


@pytest.fixture(autouse=True, scope="session")
def deletes_instead_of_truncating() -> None:
    from django.db.backends.postgresql.operations import DatabaseOperations  # not before the settings are there

    def sql_flush(
        self: DatabaseOperations,
        style: object,
        tables: Sequence[str],
        *,
        reset_sequences: bool = False,
        allow_cascade: bool = False,
    ) -> list[str]:
        without_foreign_keys = [f"DELETE FROM {self.quote_name(table)};" for table in tables]
        return ["SET session_replication_role = replica;", *without_foreign_keys, "RESET session_replication_role;"]

    DatabaseOperations.sql_flush = sql_flush  # type: ignore[method-assign,assignment]
