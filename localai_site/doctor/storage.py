"""The database and the disks."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

from localai_site.doctor.engine import downloaded
from localai_site.doctor.finding import Finding, ok, problem, warning
from localai_site.operations.database import database_file
from localai_site.operations.errors import OperationError
from localai_site.operations.guard import schema_problem
from localai_site.operations.schema import read_schema

GIB = 2**30
DATABASE_BYTES = GIB
MODEL_BYTES = {"openai/gpt-oss-20b": 15 * GIB, "openai/gpt-oss-120b": 70 * GIB}


def database() -> Finding:
    """Whether it answers, and fits the code."""
    file = database_file()
    if file and not file.is_file():  # asking would make an empty one
        return problem("Database", f"there is none at {file}", "Run python manage.py migrate")
    try:
        unfit = schema_problem()
        count = len(read_schema().applied)
    except DatabaseError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return problem("Database", f"cannot be used: {reason}", "Check DATABASE_URL, and whether its server runs.")
    except OperationError as error:
        return problem("Database", str(error), "Get the whole of that version: git checkout, or the image again.")
    if unfit:
        text, _, fix = unfit.partition(". ")
        return problem("Database", text, fix or "Run python manage.py migrate")
    return ok("Database", f"{connection.vendor}, {count} migrations")


def integrity() -> Finding | None:
    """SQLite's own look at its file; None where there is none."""
    file = _present()
    if file is None:
        return None
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=20)) as opened:
            (found,) = opened.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        return problem("Integrity", found, "Stop LocalAI and run python manage.py restore with the last good backup.")
    return ok("Integrity", f"{file.stat().st_size / 2**20:,.1f} MiB without damage")


def privacy() -> Finding | None:
    """Whether others on this machine may read what people wrote; None where there is no file."""
    file, folder = _present(), Path(settings.BACKUP_FOLDER)
    if file is None:
        return None
    open_to_others = [path for path in (file, folder) if path.exists() and path.stat().st_mode & 0o007]
    if open_to_others:
        names = " ".join(map(str, open_to_others))
        return warning("Privacy", f"others on this machine may read {names}", f"Run chmod o-rwx {names}")
    return ok("Privacy", "database and backups are not for others on this machine")


def database_disk() -> Finding | None:
    """None where it is a server's."""
    file = _present()
    return _space("Disk of the database", file.parent, max(DATABASE_BYTES, file.stat().st_size)) if file else None


def backup_disk() -> Finding:
    """There must be room for a backup; one is made before each migration."""
    folder, file = Path(settings.BACKUP_FOLDER), _present()
    if not os.access(existing(folder), os.W_OK):
        return warning("Backups", f"{folder} cannot be written", "Set BACKUP_FOLDER to a folder that can.")
    needed = 2 * file.stat().st_size if file else DATABASE_BYTES
    return _space("Backups", folder, needed)


def model_disk() -> Finding | None:
    """Where the weights are downloaded to; None where nothing is."""
    needed = MODEL_BYTES.get(settings.MODEL_NAME)
    if settings.ENGINE == "vllm-server" or needed is None or _is_downloaded():
        return None
    return _space("Model cache", hub_folder(), needed)


def hub_folder() -> Path:
    """Where Hugging Face's library keeps models, as it says itself if it is installed."""
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return Path.home() / ".cache/huggingface/hub"
    return Path(HF_HUB_CACHE)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.is_dir())


def _space(subject: str, folder: Path, needed: int) -> Finding:
    free = shutil.disk_usage(existing(folder)).free
    text = f"{free / GIB:,.1f} GiB free at {folder}"
    if free < needed:
        return problem(subject, f"{text}, {needed / GIB:,.1f} GiB are needed", "Free some space, or use a larger disk.")
    return ok(subject, text)


def _present() -> Path | None:
    """SQLite's file, if it is there."""
    file = database_file()
    return file if file and file.is_file() else None


def _is_downloaded() -> bool:
    return downloaded(settings.MODEL_NAME) is not None
