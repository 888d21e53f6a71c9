"""A search query as phrases: words that stand together. Knows no database."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

QUERY_CHARACTERS = 1000
WORDS = 20
TYPOGRAPHIC_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»", '"'))
QUOTED_OR_NOT = re.compile(r'"([^"]*)"|([^\s"]+)')
WORD = re.compile(r"[^\W_]+")
NO_TEXT = re.compile("[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Its words are without case and accents; of the last one, perhaps, only the beginning is wanted."""

    words: tuple[str, ...]
    is_prefix: bool = False


def phrases_of(query: str) -> list[Phrase]:
    """All of them must be found. Without a single letter or digit there are none."""
    text = folded(NO_TEXT.sub(" ", query[:QUERY_CHARACTERS])).translate(TYPOGRAPHIC_QUOTES)
    phrases = []
    end, room = 0, WORDS
    for match in QUOTED_OR_NOT.finditer(text):
        words = tuple(WORD.findall(match[1] or match[2] or ""))[:room]
        room -= len(words)
        if words:
            phrases.append(Phrase(words))
            end = len(phrases) if match[2] else 0
    if phrases and end == len(phrases):
        phrases[-1] = Phrase(phrases[-1].words, is_prefix=True)
    return phrases


def folded(text: str) -> str:
    """Without case and accents."""
    letters = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", letters)).lower()
