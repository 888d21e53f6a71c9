"""The database of the settings, as backups see it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from django.db import connection

from localai_site.operations.errors import OperationError
from localai_site.operations.postgresql import PostgreSQL
from localai_site.operations.sqlite import SQLite


class Database(Protocol):
    kind: str
    is_compressed: bool

    def dump(self, to: Path) -> None:
        """Write all of it, as of one moment, to a new file and check that; others go on using it."""

    def load(self, content: Path) -> None:
        """Replace all of it by what `dump` wrote, or leave it as it is; `content` is used up."""

    def occupants(self) -> str:
        """Who else has it open now, for the reader; empty when nobody."""


def current_database() -> Database:
    """Raises OperationError for one that lives in memory."""
    if connection.vendor == "postgresql":
        return PostgreSQL()
    path = database_file()
    if path is None:
        raise OperationError("The database is in memory; there is nothing to keep.")
    return SQLite(path)


def database_file() -> Path | None:
    """SQLite's; None for a server's, and for one in memory."""
    name = str(connection.settings_dict["NAME"])
    is_file = connection.vendor == "sqlite" and "memory" not in name
    return Path(name) if is_file else None
