"""Cheap ways to show the last block of an answer while it grows. None is exact: the block is rendered anew at its end.

`grow(tail)` takes all of the block's text so far and returns a change, or None when it cannot tell any more how the
text goes on; then `chat.markdown.stream` parses all of it. `html` is what a page shows then. Lists and tables are
in `chat.markdown.open_container`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.html import escape

from chat.markdown import code

LARGE = 4_000
"""Characters. What is larger is rendered again only when it has grown by one part in `PARTS`."""

PARTS = 8

PARAGRAPH_END = "</p>\n"

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[^\n]*\n")


@dataclass(frozen=True, slots=True)
class Change:
    """What a page does, in this order."""

    closed: str = ""
    """Final HTML, for the end of all that is final; it comes once."""

    open: str | None = None
    """HTML in place of the block that still grows; None leaves it as it is."""

    grown: str = ""
    """HTML for the end of the open block's element of class `grows`; what is of class `latest` there goes before."""

    is_whole: bool = False
    """`closed` replaces all that was final: a link was defined after its use. Only at the end."""


class OpenText:
    """What is not known, or a paragraph. Rendered again; a large paragraph's new words appear without markup before."""

    def __init__(self, tail: str, html: str, *, is_paragraph: bool) -> None:
        self._rendered = self._shown = len(tail)
        self._is_paragraph = is_paragraph
        self._html = html
        self._grown: list[str] = []

    @property
    def html(self) -> str:
        return (
            self._html.removesuffix(PARAGRAPH_END) + "".join(self._grown) + PARAGRAPH_END if self._grown else self._html
        )

    def grow(self, tail: str) -> Change | None:
        if len(tail) < LARGE or len(tail) - self._rendered > len(tail) // PARTS:
            return None
        if not self._is_paragraph:
            return Change()
        grown, self._shown = escape(tail[self._shown :]), len(tail)
        self._grown.append(grown)
        return Change(grown=grown)


class OpenFence:
    """Code: its new text is appended without colours, and no line of it is read twice."""

    def __init__(self, tail: str, html: str, opening: re.Match[str]) -> None:
        self._head = html.removesuffix(code.FOOT)
        self._grown: list[str] = []
        marker = opening[1]
        self._closer = re.compile(rf" {{0,3}}{re.escape(marker[0])}{{{len(marker)},}}[ \t]*")
        self._like_closer = re.compile(rf" {{0,3}}{re.escape(marker[0])}*[ \t]*")
        self._line = opening.end()
        self._shown = len(tail)

    @property
    def html(self) -> str:
        return self._head + "".join(self._grown) + code.FOOT

    def grow(self, tail: str) -> Change | None:
        end = tail.rfind("\n", self._line) + 1
        if end:
            if any(map(self._closer.fullmatch, tail[self._line : end].split("\n"))):
                return None
            self._line = end
        is_doubtful = self._like_closer.fullmatch(tail, self._line) is not None
        until = max(self._line if is_doubtful else len(tail), self._shown)
        grown, self._shown = escape(tail[self._shown : until]), until
        self._grown.append(grown)
        return Change(grown=grown)


def open_text(tail: str, html: str) -> OpenText:
    is_paragraph = html.startswith("<p>") and html.find(PARAGRAPH_END) == len(html) - len(PARAGRAPH_END)
    return OpenText(tail, f'<p class="grows">{html[3:]}' if is_paragraph else html, is_paragraph=is_paragraph)


def open_fence(tail: str, html: str, at: int) -> OpenFence | None:
    opening = _FENCE.match(tail, at)
    return OpenFence(tail, html, opening) if opening and code.GROWS in html and html.endswith(code.FOOT) else None
