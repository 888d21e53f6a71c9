"""Backups: made on demand, and by themselves before the database is changed as a whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from django.conf import settings

from localai_site import __version__
from localai_site.operations import archive, attempt
from localai_site.operations.archive import SUFFIX, Manifest
from localai_site.operations.database import current_database
from localai_site.operations.errors import OperationError
from localai_site.operations.schema import read_schema

KEPT = 5
"""So many automatic backups of each occasion."""


class Occasion(StrEnum):
    MIGRATION = "before-migration"
    RESTORE = "before-restore"


def make_backup(target: Path, *, replace: bool = False, planned: Sequence[str] = ()) -> Path:
    """Write a backup to `target`, or under a dated name into the folder `target`; returns its path.

    It appears there only when it is complete and was read back. Raises OperationError, DatabaseError.
    """
    path = target / f"localai-{_stamp()}{SUFFIX}" if target.is_dir() else target
    if path.exists() and not replace:
        raise OperationError(f"{path} exists already. Choose another name, or replace it with --force.")
    database, applied = current_database(), read_schema().applied
    if not applied:
        raise OperationError("The database is empty. `python manage.py migrate` makes its tables.")
    with archive.workspace(path.absolute().parent) as folder:
        made_at = datetime.now(UTC)
        manifest = Manifest(__version__, database.kind, made_at.isoformat(), migrations=applied, planned=list(planned))
        content, packed = folder / "content", folder / "packed"
        database.dump(content)
        archive.pack(content, manifest, packed, is_compressed=database.is_compressed)
        packed.replace(path)
    return path


def make_automatic_backup(occasion: Occasion, planned: Sequence[str] = ()) -> Path:
    """Into BACKUP_FOLDER, where the newest few are kept. Raises OperationError, DatabaseError."""
    path = make_backup(automatic_folder() / f"{occasion}-{_stamp()}{SUFFIX}", planned=planned)
    for old in automatic_backups(occasion)[KEPT:]:
        if old != attempt.begun():
            old.unlink(missing_ok=True)
    return path


def automatic_folder() -> Path:
    """BACKUP_FOLDER, made if it is not there. Raises OperationError."""
    folder = Path(settings.BACKUP_FOLDER)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperationError(f"The folder {folder} cannot be made: {error.strerror}. Set BACKUP_FOLDER.") from error
    return folder


def automatic_backups(occasion: Occasion) -> list[Path]:
    """The newest first."""
    name = re.compile(rf"{occasion}-\d{{8}}-\d{{6}}{re.escape(SUFFIX)}")
    found = Path(settings.BACKUP_FOLDER).glob(f"{occasion}-*{SUFFIX}")
    return sorted((path for path in found if name.fullmatch(path.name)), reverse=True)


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
