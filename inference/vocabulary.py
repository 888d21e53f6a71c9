"""The Harmony encoding: text to token ids and back, and the ids that frame messages.

Knows nothing of turns, streams or engines.
"""

from __future__ import annotations

import functools
import itertools
import re

from openai_harmony import HarmonyEncoding, HarmonyEncodingName, load_harmony_encoding

FIRST_SPECIAL_ID = 199_998
"""Ids below are ordinary text; from here on all are control tokens, reserved or not in the vocabulary."""

RETURN = 200_002
CONSTRAIN = 200_003
CHANNEL = 200_005
START = 200_006
END = 200_007
MESSAGE = 200_008
CALL = 200_012

LONGEST_TOKEN_BYTES = 128
"""The longest ordinary token (a run of spaces): a text of n bytes has at least n / 128 tokens."""

LONG_RUN_CHARACTERS = 4_000
RUN_PIECE_CHARACTERS = 1_000

_RUNS = tuple(re.compile(pattern) for pattern in (r"\S+", r"\s+", r"[\r\n/]+"))
"""What the encoding's own splitting may leave in one piece (o200k: words, blanks, line ends with slashes)."""


@functools.cache
def encoding() -> HarmonyEncoding:
    """Return the gpt-oss encoding; the first call takes 0.2 to 1.6 s and needs no network."""
    return load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)


@functools.lru_cache(maxsize=65_536)
def token_bytes(token_id: int) -> bytes:
    """Return the bytes of an ordinary token, which may be a part of a character."""
    text: str = encoding().decode([token_id], errors="surrogateescape")
    return text.encode("utf-8", "surrogateescape")


def encode(text: str) -> list[int]:
    """Return the ids of plain text; what spells a control token stays plain text."""
    ids: list[int] = []
    for piece in pieces(text):
        ids += encoding().encode(piece, disallowed_special=())
    return ids


def without_lone_surrogates(text: str) -> str:
    """Replace what UTF-8 cannot carry: half a character pasted or cut by a browser."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def pieces(text: str) -> list[str]:
    """Cut text inside of unbroken runs; nearly all texts are one piece.

    Encoding a run takes time in the square of its length (160,000 letters without a space: up to
    a minute in which no other thread runs). Cut in pieces it stays linear, at the price of a few
    tokens more.
    """
    if len(text) <= LONG_RUN_CHARACTERS:
        return [text]
    cuts = {0, len(text)}
    for pattern in _RUNS:
        for run in pattern.finditer(text):
            if run.end() - run.start() > LONG_RUN_CHARACTERS:
                cuts.update(range(run.start() + RUN_PIECE_CHARACTERS, run.end(), RUN_PIECE_CHARACTERS))
    ordered = sorted(cuts)
    return [text[start:end] for start, end in itertools.pairwise(ordered)]
