"""Token ids in; the messages that they say out, and their text with the control tokens told apart.

What is not in the ids is not known here: neither settings nor conversations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from inference.vocabulary import (
    CALL,
    CHANNEL,
    CONSTRAIN,
    END,
    FIRST_SPECIAL_ID,
    MESSAGE,
    RETURN,
    START,
    token_bytes,
)

_NAMES = {
    START: "start",
    MESSAGE: "message",
    END: "end",
    CHANNEL: "channel",
    RETURN: "return",
    CALL: "call",
    CONSTRAIN: "constrain",
}


@dataclass(frozen=True, slots=True)
class Span:
    """One control token as it is spelled, or the text between two."""

    text: str
    is_control: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One message. `tokens` counts its frame, too; `is_open`: it has no text, another is to write it."""

    role: str
    text: str
    tokens: int
    is_open: bool


def spans(token_ids: Sequence[int]) -> Iterator[Span]:
    """Tell the control tokens from text that may spell them."""
    for is_control, ids in groupby(token_ids, key=_is_control):
        if is_control:
            yield from (Span(f"<|{_NAMES.get(token_id, token_id)}|>", True) for token_id in ids)
        else:
            yield Span(text_of(tuple(ids)), False)


def messages(token_ids: Sequence[int]) -> list[Told]:
    """Split at the tokens that start a message; together they have all tokens."""
    starts = [index for index, token_id in enumerate(token_ids) if token_id == START]
    edges = [0, *(index for index in starts if index), len(token_ids)]
    return [_told(token_ids[start:end]) for start, end in pairwise(edges) if start < end]


def text_of(token_ids: Sequence[int]) -> str:
    """The text of ordinary tokens; half a character at either end is replaced."""
    return b"".join(map(token_bytes, token_ids)).decode("utf-8", "replace")


def _told(token_ids: Sequence[int]) -> Told:
    header, body = list(token_ids), list[int]()
    if MESSAGE in token_ids:
        opened = token_ids.index(MESSAGE)
        header, body = header[:opened], header[opened + 1 :]
    words = [span.text for span in spans(header) if not span.is_control]
    text = text_of([token_id for token_id in body if not _is_control(token_id)])
    return Told(words[0] if words else "", text, len(token_ids), MESSAGE not in token_ids)


def _is_control(token_id: int) -> bool:
    return not 0 <= token_id < FIRST_SPECIAL_ID
