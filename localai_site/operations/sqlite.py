"""The SQLite file: copied while it is in use, checked, and replaced while it is not."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from localai_site.operations.errors import OperationError

BUSY_SECONDS = 20
CLOSE_SECONDS = 2
"""How long a command that has just ended may take to let go of the file."""

OTHERS = 0o007
"""Who is neither the owner nor of the file's group."""


class SQLite:
    """The database that is one file."""

    kind = "sqlite"
    is_compressed = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def dump(self, to: Path) -> None:
        """Copy it in one read transaction: writers go on, and nothing of theirs is half in the copy.

        Raises OperationError, OSError, sqlite3.Error.
        """
        if not self.path.is_file():
            raise OperationError(f"There is no database at {self.path}. `python manage.py migrate` makes one.")
        self._check_space(to.parent)
        with closing(_connected(self.path)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        check(to)

    def load(self, content: Path) -> None:
        """Put `content` in its place, at once or not at all. Raises OperationError, OSError, sqlite3.Error."""
        check(content)
        if self.path.exists():
            _same_owner(content, self.path)
        for suffix in ("-wal", "-shm"):  # of the old file; SQLite would play them into the new one
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        content.replace(self.path)
        _sync(self.path.parent)

    def occupants(self) -> str:
        """Who else uses it, as far as SQLite can tell; empty when nobody."""
        if not self.path.is_file():
            return ""
        try:
            with closing(_connected(self.path, CLOSE_SECONDS)) as connection:
                # SQLite does this for nobody but the only one; it also brings all writes into the one file.
                connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            return "another program has the database open" if "locked" in str(error) else ""
        except sqlite3.DatabaseError:  # a damaged file; the more so it may be replaced
            return ""
        return ""

    def _check_space(self, folder: Path) -> None:
        needed, free = int(1.5 * self.path.stat().st_size), shutil.disk_usage(folder).free
        if free < needed:
            raise OperationError(
                f"The backup needs about {needed // 2**20} MiB on that disk for a moment; {free // 2**20} MiB are "
                "free. Free some space, or choose another disk."
            )


def keep_private(path: Path) -> None:
    """Make the file that is not there yet, or take it from all others on this machine; SQLite's own follow it."""
    try:
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
            return
        for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            if each.exists() and each.stat().st_mode & OTHERS:
                each.chmod(each.stat().st_mode & 0o777 & ~OTHERS)
    except OSError:  # somebody else's file, or no folder: who uses it next says so
        return


def check(path: Path) -> None:
    """Raises OperationError if the file's structure is damaged."""
    try:
        with closing(_connected(path)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise OperationError(f"The database is damaged ({' '.join(found.split())}). Restore the last good backup.")


def _connected(path: Path, timeout: float = BUSY_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=timeout)


def _same_owner(new: Path, old: Path) -> None:
    """Whoever runs the command, the server can use the file as before."""
    like = old.stat()
    new.chmod(like.st_mode & 0o777)
    if os.geteuid() == 0:
        os.chown(new, like.st_uid, like.st_gid)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
