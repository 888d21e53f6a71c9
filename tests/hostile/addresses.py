"""All addresses of the project, from its URL configuration: with what stands for their parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from django.urls import URLPattern, URLResolver, get_resolver

ENDS_THE_VISIT = {"logout"}
"""Names of what a test that goes on with the same person must leave alone."""
PART = re.compile(r"<(?:(\w+):)?(\w+)>")
GROUP = re.compile(r"\(\?P<\w+>[^()]*\)|\(\?:([^()|]*)\|?[^()]*\)\??")


@dataclass(frozen=True, slots=True)
class Address:
    """`route` as Django spells it, with its parts in angle brackets."""

    name: str
    route: str

    def path(self, whose: str, text: str) -> str:
        """With a conversation's id where one is wanted, and the text, quoted, where any text may stand."""
        parts = {"uuid": whose, "int": "1", "path": quote(text, safe="/")}
        return "/" + PART.sub(lambda part: parts.get(part[1], quote(text, safe="")), self.route)


def addresses() -> list[Address]:
    """In the order of the URL configuration."""
    return [each for each in _walk(get_resolver().url_patterns, "") if each.name not in ENDS_THE_VISIT]


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[Address]:
    for pattern in patterns:
        route = before + _spelled(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield Address(pattern.name or "", route)


def _spelled(pattern: str) -> str:
    """Of a regular expression one address that fits."""
    if not pattern.startswith("^") and "(?" not in pattern:
        return pattern
    return GROUP.sub(lambda group: group[1] or "<str:part>", pattern.strip("^$")).replace("\\Z", "")
