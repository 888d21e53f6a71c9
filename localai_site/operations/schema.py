"""Which migrations the database has, lacks, or has beyond what this version knows."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.migrations.exceptions import BadMigrationError, NodeNotFoundError
from django.db.migrations.executor import MigrationExecutor

from localai_site.operations.errors import OperationError

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Schema:
    """Migrations as `app.name`; `missing` in the order in which they would be applied."""

    applied: list[str]
    missing: list[str]
    unknown: list[str]
    known: frozenset[str]


def read_schema() -> Schema:
    """Raises DatabaseError, OperationError."""
    try:
        executor = MigrationExecutor(connection)
    except (BadMigrationError, NodeNotFoundError) as error:  # who copied the new version, and not all of it
        raise OperationError(f"LocalAI's files are incomplete ({error}). Install this version again.") from error
    loader = executor.loader
    whole = executor.migration_plan(loader.graph.leaf_nodes(), clean_start=True)
    in_order = [(migration.app_label, migration.name) for migration, _ in whole]
    ours = [key for key in loader.applied_migrations if key[0] in loader.migrated_apps]
    known = {*loader.disk_migrations, *loader.replacements}
    return Schema(
        applied=sorted(_name(key) for key in loader.applied_migrations),
        missing=[_name(key) for key in in_order if key not in loader.applied_migrations],
        unknown=sorted(_name(key) for key in ours if key not in known),
        known=frozenset(_name(key) for key in known),
    )


def listed(names: list[str]) -> str:
    """A few of them, for one line."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _name(key: tuple[str, str]) -> str:
    return ".".join(key)
