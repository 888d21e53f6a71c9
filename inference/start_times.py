"""How long the engine's starts took, remembered for the next one."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Literal

logger = logging.getLogger(__name__)

Kind = Literal["first", "again"]
"""The first start in a process also imports vLLM; later ones do not."""


class StartTimes:
    """The seconds of one model's last starts, in a file that all models share."""

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model

    def expected(self, kind: Kind) -> float | None:
        """How long a start will probably take; None where none is on record."""
        seconds = self._read().get(self._model, {}).get(kind)
        return seconds if seconds is not None and seconds > 0 else None

    def record(self, kind: Kind, seconds: float) -> None:
        times = self._read()
        times.setdefault(self._model, {})[kind] = round(seconds, 1)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(times, indent=1), encoding="utf-8")
        except OSError as error:  # the disk: only an estimate is lost
            logger.info("The time of this start could not be kept: %s.", error)

    def _read(self) -> dict[str, dict[str, float]]:
        """What is on record; nothing where the file is missing or broken."""
        try:
            times = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                str(model): {str(kind): float(seconds) for kind, seconds in kinds.items()}
                for model, kinds in times.items()
            }
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}


class StartClock:
    """How long the running start has taken; a download, whose length the network decides, stands aside."""

    def __init__(self, started: float | None = None) -> None:
        self.started = time.time() if started is None else started
        self._download_began: float | None = None

    def note(self, *, is_downloading: bool) -> None:
        """Tell what the start does from now on."""
        if is_downloading:
            self._download_began = self._download_began or time.time()
        elif self._download_began:
            self.started += time.time() - self._download_began
            self._download_began = None

    @property
    def seconds(self) -> float:
        return time.time() - self.started
