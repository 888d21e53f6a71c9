"""Typed values out of JSON that anybody may have written: what has the wrong type is as if it were not there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from django.utils import timezone

from inference.vocabulary import without_lone_surrogates

LARGEST_WHOLE = 2**31 - 1
"""What a database's integer column holds."""
LONGEST_SECONDS = 1e9
SECONDS_IN_UNITS = (1e10, 1e13, 1e16, 1e19)
"""Times in seconds are below the first, in milliseconds below the second, then micro- and nanoseconds."""


def mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def items(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def text(value: object, limit: int | None = None) -> str:
    """A text that every database takes: no NUL, no half characters, at most `limit` characters."""
    if not isinstance(value, str):
        return ""
    cleaned = value.replace("\0", "")
    return (cleaned if cleaned.isascii() else without_lone_surrogates(cleaned))[:limit]


def line(value: object, limit: int) -> str:
    """A text without line ends and runs of blanks."""
    return " ".join(text(value).split())[:limit]


def key(value: object) -> str:
    """What names a thing in its file: a text or a number, as a text."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def whole(value: object) -> int:
    """A whole number that is not negative."""
    is_fit = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_WHOLE
    return int(value) if is_fit and isinstance(value, int) else 0


def seconds(value: object) -> float | None:
    """A duration."""
    number = _number(value)
    return number if number is not None and 0 <= number <= LONGEST_SECONDS else None


def moment(value: object) -> datetime | None:
    """A time as ISO text or as a number since 1970; one that has not come yet is now."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else _unix(_number(value))
        if read is None:
            return None
        aware = (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):  # the file's fault
        return None
    return min(aware, timezone.now()) if aware.year >= 1970 else None


def _unix(number: float | None) -> datetime | None:
    if number is None or number < 0:
        return None
    for power, limit in enumerate(SECONDS_IN_UNITS):
        if number < limit:
            return datetime.fromtimestamp(number / 1000**power, UTC)
    return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        return None
    return float(value) if math.isfinite(value) else None
