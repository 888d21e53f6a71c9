"""How logs look: a line to read, or JSON; each with the request's id, none with what people or the model wrote.

The text of a foreign exception may quote what it could not handle, a prompt for example: only its class and its
place in the code are logged.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from types import TracebackType

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from pythonjsonlogger.json import JsonFormatter as LibraryFormatter

from inference import request_id
from inference.errors import EngineError

SPEAKING = (EngineError, OSError, OperationalError, ImproperlyConfigured, ImportError)
"""Exceptions whose text tells of the machine, never of what somebody wrote."""

OWN = ("chat", "inference", "localai_site")

LINKS = re.compile(r"(/accounts/(?:invitation|password/new)/)[^\s\"']+")
"""What makes the addresses of links that let their holder in."""

BEGINNING = "Traceback (most recent call last):"

NAMED = re.compile(r"(?<=://)[^\s/@\"']*@")
"""Name and password in an address."""

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def trace(error: BaseException) -> str:
    """The traceback with all that led to it, oldest first."""
    return "\n".join(part for each in reversed(list(_chain(error))) for part in _told(each))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _told(error: BaseException) -> Iterator[str]:
    yield BEGINNING
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    yield _named(error)


def without_secrets(text: str) -> str:
    return _secrets().sub("…", NAMED.sub("", LINKS.sub(r"\1…", text)))


@cache
def _secrets() -> re.Pattern[str]:
    """The settings' own; the last wall, whoever quotes one."""
    longest_first = sorted(settings.SECRETS, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _shown(argument: object) -> object:
    if isinstance(argument, BaseException):
        return _named(argument)
    return without_secrets(argument) if isinstance(argument, str) else argument


def _named(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return f"{name}: {error}" if isinstance(error, SPEAKING) else f"{name} (its text is not logged)"


class RequestFilter(logging.Filter):
    """Adds the request's id, and takes out of foreign records what may quote people."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.current() or "-"
        if record.name.partition(".")[0] not in OWN:
            if isinstance(record.args, tuple):
                record.args = tuple(_shown(each) for each in record.args)
            if record.name.startswith("django.security"):  # the client's fault: where it was noticed tells nothing
                record.exc_info = None
            if record.name == "asyncio":  # it adds the tasks in question, with their exceptions, line by line
                record.msg = str(record.msg).partition("\n")[0]
            if (error := sys.exception()) and str(record.msg).startswith(BEGINNING):  # daphne formats them itself
                record.msg, record.args = trace(error), None
        return True


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 (logging's name)
        return trace(ei[1]) if ei[1] else ""


class JsonFormatter(LibraryFormatter):
    """One object a line. Of a record's extras only `facts` is told: Django adds whole requests."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))

    def add_fields(
        self, log_data: dict[str, object], record: logging.LogRecord, message_dict: dict[str, object]
    ) -> None:
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data |= {"level": record.levelname, "logger": record.name, "message": record.message}
        log_data["request_id"] = getattr(record, "request_id", "-")
        log_data |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1]:
            log_data["exception"] = trace(record.exc_info[1])
