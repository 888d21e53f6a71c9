"""A migration that was begun: which backup was made before it, until it is finished.

A later attempt backs up what the first one left, perhaps half done; the first one's backup is the one to keep.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings


def begin(backup: Path) -> None:
    """Harmless when one was begun before, and is not finished. Raises OSError."""
    if begun() is None:
        _mark().write_text(backup.name, encoding="utf-8")


def begun() -> Path | None:
    """The backup from before the migration that was not finished."""
    try:
        backup = _mark().with_name(_mark().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return backup if backup.is_file() else None


def finish() -> None:
    """The database is whole. Raises OSError."""
    _mark().unlink(missing_ok=True)


def _mark() -> Path:
    return Path(settings.BACKUP_FOLDER) / "unfinished-migration"
