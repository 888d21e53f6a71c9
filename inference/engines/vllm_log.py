"""vLLM's own log: what a starting engine is doing, and why it failed.

Both are known in vLLM's child processes only, and told nowhere but in their log.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from inference.engine import Progress, ProgressListener

POLL_SECONDS = 0.25
ERROR_LINES = 5
LONGEST_LINE = 200

VARIABLE = "VLLM_LOGGING_CONFIG_PATH"

MILESTONES = (
    ("Starting to load model", Progress("loading", _("Loading the weights"))),
    ("Loading weights took", Progress("warming up", _("Warming up the engine"))),
)
"""Texts of vLLM's log in the order of a start, and what has begun when they appear."""

RECORD = re.compile(r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL)\|(?:\S+ \S+ \d+ \S+: )?(.*)$")
"""The level, what `_logging_configuration` puts before a message, and the message."""
EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*((?:[A-Z]\w*)?(?:Error|Exception|Interrupt|Exit)): (.+)$")


class VllmLog:
    """A file that all of vLLM's processes append to; each start begins it anew."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def configure(self) -> None:
        """Have vLLM write this log, unless the administrator configured its logging already."""
        configuration = self.path.with_suffix(".json")
        if Path(os.environ.get(VARIABLE, configuration)).name != configuration.name:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("", encoding="utf-8")
        configuration.write_text(json.dumps(_logging_configuration(self.path)), encoding="utf-8")
        os.environ[VARIABLE] = str(configuration)

    @contextmanager
    def reporting(self, on_progress: ProgressListener) -> Iterator[None]:
        """Report the milestones of a start that runs inside this context."""
        ended = threading.Event()
        watcher = threading.Thread(target=self._report, args=(on_progress, ended), name="vllm-log", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def _report(self, on_progress: ProgressListener, ended: threading.Event) -> None:
        reported: Progress | None = None
        while not ended.wait(POLL_SECONDS):
            text = self._text()
            reached = [progress for milestone, progress in MILESTONES if milestone in text]
            if reached and reached[-1] != reported:
                reported = reached[-1]
                on_progress(reported)

    def root_cause(self) -> str:
        """Return one line on what failed first, or "" if vLLM logged no error."""
        for record in self._errors():
            if record[1:]:
                return record[-1]
        return ""

    def last_errors(self) -> tuple[str, ...]:
        """Return the last lines that tell of an error, at most five, each once and short."""
        lines = [line[:LONGEST_LINE] for record in self._errors() for line in record]
        return tuple(list(dict.fromkeys(lines))[-ERROR_LINES:])

    def _errors(self) -> Iterator[list[str]]:
        """Yield each record of an error: its message, then the exceptions of its traceback."""
        error: list[str] = []
        for line in self._text().splitlines():
            if record := RECORD.match(line):
                if error:
                    yield error
                error = [record[2]] if record[1] in {"ERROR", "CRITICAL"} else []
            elif error and (exception := EXCEPTION.match(line)):
                error.append(f"{exception[1]}: {exception[2]}")
        if error:
            yield error

    def _text(self) -> str:
        return self.path.read_text(encoding="utf-8", errors="replace") if self.path.exists() else ""


def _logging_configuration(path: Path) -> dict[str, object]:
    line = {"format": "%(levelname)s|%(asctime)s %(process)d %(name)s: %(message)s"}
    json_line = {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": "%(levelname)s %(name)s %(message)s",
        "rename_fields": {"levelname": "level", "name": "logger"},
        "timestamp": "time",
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": line, "console": json_line if settings.LOG_FORMAT == "json" else line},
        "handlers": {
            "file": {"class": "logging.FileHandler", "filename": str(path), "formatter": "line"},
            "console": {"class": "logging.StreamHandler", "level": "ERROR", "formatter": "console"},
        },
        "loggers": {"vllm": {"handlers": ["file", "console"], "level": "INFO", "propagate": False}},
    }
