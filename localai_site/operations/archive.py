"""A backup as a file: a zip with a manifest, which says what it is, and the database's content."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from localai_site.operations.errors import OperationError

PRODUCT = "LocalAI"
FORMAT = 1
SUFFIX = ".localai"
MANIFEST = "manifest.json"
CONTENT = "database"
WORKSPACE = ".localai-backup-"
ABANDONED_SECONDS = 24 * 60 * 60
QUICKLY = 3
"""zlib's level. With it a backup of 600 MB takes 10 s, checks included."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`planned` are the migrations that an automatic backup was made for."""

    version: str
    database: str
    created_at: str
    migrations: list[str]
    planned: list[str]

    @property
    def when(self) -> str:
        return f"{datetime.fromisoformat(self.created_at):%Y-%m-%d %H:%M} UTC"


def pack(content: Path, manifest: Manifest, to: Path, *, is_compressed: bool) -> None:
    """Write the archive, and read it once more as a whole. Raises OperationError, OSError."""
    method = zipfile.ZIP_STORED if is_compressed else zipfile.ZIP_DEFLATED
    descriptor = os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        with zipfile.ZipFile(file, "w", method, compresslevel=QUICKLY) as archive:
            identity = {"product": PRODUCT, "format": FORMAT, **asdict(manifest)}
            archive.writestr(MANIFEST, json.dumps(identity, indent=1))
            archive.write(content, CONTENT)
        file.flush()
        os.fsync(file.fileno())
    read(to)


def read(path: Path) -> Manifest:
    """What the backup says of itself, once all of it was found undamaged. Raises OperationError."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _manifest(json.loads(archive.read(MANIFEST)))
            archive.getinfo(CONTENT)
            damaged = archive.testzip()
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OperationError(f"{path} is no complete backup of {PRODUCT}: {_reason(error)}.") from error
    if damaged:
        raise OperationError(f"{path} is damaged: {damaged} does not have its checksum.")
    return manifest


def glance(path: Path) -> Manifest | None:
    """The manifest alone, without a look at the content; None for what has none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _manifest(json.loads(archive.read(MANIFEST)))
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def unpack(path: Path, to: Path) -> None:
    """Write the database's content to a new file that only its owner may read. Raises OSError."""
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(path) as archive, archive.open(CONTENT) as content:
        shutil.copyfileobj(content, file, 1024 * 1024)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """A private folder in `folder`, gone afterwards; what the disk refuses is an OperationError that says so."""
    try:
        _sweep(folder)
        with tempfile.TemporaryDirectory(prefix=WORKSPACE, dir=folder) as name:
            yield Path(name)
    except FileNotFoundError as error:
        raise OperationError(f"There is no folder {folder}; make it first.") from error
    except OSError as error:  # the disk, or its permissions
        raise OperationError(f"{folder} cannot be used: {_reason(error)}.{_advice(error)}") from error
    except sqlite3.Error as error:  # SQLite, or the disk below it
        raise OperationError(f"SQLite says: {error}.{_sqlite_advice(str(error))}") from error


def _sweep(folder: Path) -> None:
    """Remove what a command left that was killed: it can be as large as the database."""
    for left in folder.glob(f"{WORKSPACE}*"):
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left)


def _manifest(values: dict[str, object]) -> Manifest:
    """Raises KeyError, ValueError, TypeError."""
    if values["product"] != PRODUCT:
        raise ValueError(f"it is one of {values['product']}")
    if values["format"] != FORMAT:
        raise ValueError(f"its format {values['format']} needs a newer {PRODUCT}")
    migrations, planned = values["migrations"], values["planned"]
    if not isinstance(migrations, list) or not isinstance(planned, list):
        raise TypeError("its manifest is damaged")
    created_at = str(values["created_at"])
    datetime.fromisoformat(created_at)
    return Manifest(
        str(values["version"]),
        str(values["database"]),
        created_at,
        [str(name) for name in migrations],
        [str(name) for name in planned],
    )


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return " ".join((text or type(error).__name__).split()).rstrip(".")


def _sqlite_advice(reason: str) -> str:
    if "full" in reason:
        return " Free some space, or choose another disk."
    return " Restore the last good backup." if "malformed" in reason or "not a database" in reason else ""


def _advice(error: OSError) -> str:
    return " Free some space, or choose another disk." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
