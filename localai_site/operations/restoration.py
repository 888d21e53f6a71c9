"""A backup becomes the database again; what was there before is backed up first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import DatabaseError, connection
from django.utils import timezone

from chat.models import Message
from chat.recovery import ABANDONED_SECONDS
from localai_site.operations import archive, attempt
from localai_site.operations.archive import Manifest
from localai_site.operations.backup import Occasion, automatic_folder, make_automatic_backup
from localai_site.operations.database import current_database, database_file
from localai_site.operations.errors import OperationError
from localai_site.operations.occupancy import alone
from localai_site.operations.schema import Schema, listed, read_schema


@dataclass(frozen=True, slots=True)
class Restored:
    """What is there now, and where that is which was there before."""

    manifest: Manifest
    kept: Path | None
    missing: list[str]


def restore_backup(path: Path, *, force: bool = False, keep: bool = True) -> Restored:
    """Replace the database by a backup. `force`: though somebody uses it, or the backup is of a newer LocalAI.

    Raises OperationError; nothing was changed then.
    """
    manifest = archive.read(path)
    database = current_database()
    if manifest.database != database.kind:
        raise OperationError(
            f"{path} is a backup of {manifest.database}; DATABASE_URL names {database.kind}. "
            "Between the two, people's own exports are the way."
        )
    with alone() as is_alone:
        schema = _schema()
        if not force:
            _check_code(path, manifest, schema)
            _check_occupants(is_alone, schema)
        kept = _kept(schema) if keep else None
        connection.close()
        with archive.workspace(_folder()) as folder:
            content = folder / "content"
            archive.unpack(path, content)
            database.load(content)
    attempt.finish()
    return Restored(manifest, kept, read_schema().missing)


def _schema() -> Schema | None:
    """None where the database cannot be read."""
    try:
        return read_schema()
    except DatabaseError:
        return None
    finally:
        connection.close()


def _check_code(path: Path, manifest: Manifest, schema: Schema | None) -> None:
    if schema is None:
        return
    ours = {name.partition(".")[0] for name in schema.known}
    newer = [name for name in manifest.migrations if name.partition(".")[0] in ours and name not in schema.known]
    if newer:
        raise OperationError(
            f"{path} was made by a newer LocalAI ({manifest.version}; it has {listed(newer)}). "
            "Install that version or a later one first."
        )


def _check_occupants(is_alone: bool, schema: Schema | None) -> None:
    reason = "a server uses the database" if not is_alone else current_database().occupants()
    if not reason and schema and "chat.0001_initial" in schema.applied and _is_writing():
        reason = "an answer is being written"
    if reason:
        raise OperationError(f"Not restored: {reason}. Stop LocalAI first (--force does without).")


def _is_writing() -> bool:
    """Whether a reply was saved just now: its server may be on another machine."""
    lately = timezone.now() - timedelta(seconds=ABANDONED_SECONDS)
    try:
        return Message.objects.streaming().filter(saved_at__gt=lately).exists()
    finally:
        connection.close()


def _kept(schema: Schema | None) -> Path | None:
    """A backup of what is there, if there is anything."""
    if schema is None:
        raise OperationError(
            "The database that is there cannot be read, so it cannot be backed up first; "
            "--no-backup replaces it nevertheless."
        )
    return make_automatic_backup(Occasion.RESTORE) if schema.applied else None


def _folder() -> Path:
    """Where a restored database waits for its turn: on the disk of the database, so that it only changes its name."""
    path = database_file()
    return path.parent if path else automatic_folder()
