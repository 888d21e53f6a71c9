"""Every address of a URL conf, in the words of docs/access.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver


def addresses() -> list[str]:
    """Of the site as it is configured now, in the order in which they are tried."""
    return names(get_resolver().url_patterns)


def names(patterns: Sequence[URLPattern | URLResolver]) -> list[str]:
    return [_named(route) for route in _routes(patterns)]


def _routes(patterns: Sequence[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for each in patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _routes(each.url_patterns, route)
        else:
            yield route


def _named(route: str) -> str:
    """Without converters and signs of regular expressions; a line between choices would end a table's cell."""
    named = re.sub(r"<\w+:", "<", re.sub(r"\(\?:([^)]*)\)", r"\1", route))
    if re.search(r"[\^$(]", named):
        named = simplify_regex(named).removeprefix("/")
    return "/" + named.replace("|", " or ")
