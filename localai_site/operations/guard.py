"""No server on a database that does not fit its code: half migrated, not migrated, or newer."""

from __future__ import annotations

from pathlib import Path

from django.db import DatabaseError

from localai_site.operations import attempt
from localai_site.operations.archive import Manifest, glance
from localai_site.operations.backup import Occasion, automatic_backups
from localai_site.operations.errors import OperationError
from localai_site.operations.schema import Schema, listed, read_schema

MIGRATE = "`python manage.py migrate`"


def schema_problem() -> str:
    """What is wrong and what to do, in one line; empty when all is well. Raises DatabaseError, OperationError."""
    schema = read_schema()
    if schema.unknown:
        return _newer(schema)
    return _missing(schema) if schema.missing else ""


def refuse_unfit_schema() -> None:
    """Raises OperationError. A database that cannot be reached is no reason: it may come back."""
    try:
        problem = schema_problem()
    except DatabaseError:  # who needs it next says so
        return
    if problem:
        raise OperationError(problem)
    attempt.finish()


def _newer(schema: Schema) -> str:
    text = f"the database is newer than this LocalAI (it has {listed(schema.unknown)}). Install the newer one again"
    for path, manifest in _backups():
        if set(manifest.planned) & set(schema.unknown) and schema.known.issuperset(_of_ours(manifest, schema)):
            return f"{text}, or go back to {manifest.when} with `python manage.py restore {path}`."
    return f"{text}, or restore a backup from before."


def _missing(schema: Schema) -> str:
    backup = attempt.begun()
    manifest = glance(backup) if backup else None
    if manifest:
        return (
            f"a migration of the database was begun at {manifest.when} and not finished "
            f"({listed(schema.missing)}). Run {MIGRATE} again; if that fails, "
            f"`python manage.py restore {backup}` brings back what was there before."
        )
    then = "; it makes a backup first" if schema.applied else ""
    return f"the database lacks {listed(schema.missing)}. Run {MIGRATE}{then}."


def _backups() -> list[tuple[Path, Manifest]]:
    """Those made before a migration, the newest first."""
    found = ((path, glance(path)) for path in automatic_backups(Occasion.MIGRATION))
    return [(path, manifest) for path, manifest in found if manifest]


def _of_ours(manifest: Manifest, schema: Schema) -> list[str]:
    """Its migrations of the apps that are installed."""
    apps = {name.partition(".")[0] for name in schema.known}
    return [name for name in manifest.migrations if name.partition(".")[0] in apps]
