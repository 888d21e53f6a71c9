"""One engine a machine: a lock on a file that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.errors import EngineFailedError


class EngineLock:
    """Held from the start of an engine to its stop; the file's content is the holder's process id."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise EngineFailedError naming its holder. Harmless when held already."""
        if self._descriptor is not None:
            return
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise EngineFailedError(
                format_lazy(
                    _("Another LocalAI process (pid {holder}) already runs the engine on this machine."), holder=holder
                ),
                _("Stop it first, or let this one use a vLLM server (ENGINE=vllm-server)."),
            ) from error
        self._descriptor = descriptor
        with suppress(OSError):  # a full disk: the lock holds, its holder's name is a courtesy
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:  # the disk, or its permissions
            raise EngineFailedError(
                format_lazy(
                    _("LocalAI's cache folder {parent} cannot be written: {strerror}."),
                    parent=self.path.parent,
                    strerror=error.strerror,
                ),
                _("Free some space, or set XDG_CACHE_HOME to a folder that can be written."),
            ) from error

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
