"""Whether a server uses the SQLite file: a lock beside it that ends with the process, however that ends.

A server at rest has no connection open, and would find another database at the next request. PostgreSQL is replaced
in a transaction; no such lock is needed there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localai_site.operations.database import database_file
from localai_site.operations.errors import OperationError

_held: list[int] = []


def occupy() -> None:
    """For as long as this process lives; other servers may, too. Raises OperationError while a backup is restored."""
    path = _lock_path()
    if path is None or not path.parent.is_dir() or _held:
        return
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OperationError("a backup is being restored. Start LocalAI when that is done.") from error
    _held.append(descriptor)


@contextmanager
def alone() -> Iterator[bool]:
    """Whether no server uses the database; if so, none can start meanwhile."""
    path = _lock_path()
    if path is None:
        yield True
        return
    descriptor = _opened(path)
    try:
        yield _is_free(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """For reading only: root may have made it, and the server runs as somebody else."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError as error:
        raise OperationError(f"{path} cannot be opened: {error.strerror}. Who runs LocalAI must own it.") from error


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_path() -> Path | None:
    path = database_file()
    return Path(f"{path}.lock") if path else None
