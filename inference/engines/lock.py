"""One engine a machine: a lock on a file that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise EngineFailedError(
                f"Another LocalAI process (pid {holder}) already runs the engine on this machine.",
                "Stop it first, or let this one use a vLLM server (ENGINE=vllm-server).",
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
