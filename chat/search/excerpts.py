"""What of a text is shown for a search: the part around the first match, in pieces. Templates escape each of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from chat.search.phrases import Phrase

BEFORE_CHARACTERS = 40
EXCERPT_CHARACTERS = 180
READ_CHARACTERS = 50_000
SEPARATOR = r"[\W_]+"


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    is_match: bool = False


class _Letters(dict[int, str]):
    """Each character without case and accents, one for one, so that places stay the same."""

    def __missing__(self, code: int) -> str:
        base = unicodedata.normalize("NFD", chr(code))[0].lower()
        self[code] = base if len(base) == 1 else chr(code)
        return self[code]


_letters = _Letters()


def is_found(text: str, phrases: Sequence[Phrase]) -> bool:
    return _pattern(phrases).search(_plain(_readable(text))) is not None


def highlighted(text: str, phrases: Sequence[Phrase]) -> list[Piece]:
    """The whole text."""
    return _pieces(_readable(text), phrases)


def excerpt(text: str, phrases: Sequence[Phrase]) -> list[Piece]:
    """Some words around the first match, or the first words."""
    text = _readable(text)
    match = _pattern(phrases).search(_plain(text))
    start = _word_start(text, match.start() - BEFORE_CHARACTERS) if match else 0
    end = start + EXCERPT_CHARACTERS
    shown = " ".join(text[start:end].split())
    if end < len(text):
        shown = shown.rpartition(" ")[0] or shown
        shown += " …"
    return _pieces(("… " if start else "") + shown, phrases)


def _readable(text: str) -> str:
    return unicodedata.normalize("NFC", text[:READ_CHARACTERS])


def _plain(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_letters)


def _word_start(text: str, place: int) -> int:
    """The first word's at or after it; in a script without spaces the place itself."""
    if place <= 0:
        return 0
    space = text.find(" ", place, place + BEFORE_CHARACTERS)
    return place if space < 0 else space + 1


def _pieces(text: str, phrases: Sequence[Phrase]) -> list[Piece]:
    pieces = []
    end = 0
    for match in _pattern(phrases).finditer(_plain(text)):
        pieces += [Piece(text[end : match.start()]), Piece(text[match.start() : match.end()], is_match=True)]
        end = match.end()
    pieces.append(Piece(text[end:]))
    return [piece for piece in pieces if piece.text]


def _pattern(phrases: Sequence[Phrase]) -> re.Pattern[str]:
    """Any of the phrases; the pattern is made of letters and digits alone."""
    return re.compile("|".join(_source(phrase) for phrase in phrases))


def _source(phrase: Phrase) -> str:
    end = "" if phrase.is_prefix else r"(?![^\W_])"
    return r"(?<![^\W_])" + SEPARATOR.join(phrase.words) + end
