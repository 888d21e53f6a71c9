"""What the model was told for an answer, and what it wrote: from the token ids kept with it, never from settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.utils.html import escape
from django.utils.translation import gettext as _

from chat.models import Message, TokenIdsField
from chat.turns import History
from inference import transcript
from inference.harmony import turn_tokens
from inference.transcript import Span, Told

PREVIEW_CHARACTERS = 90
FIRST_ROWS, LAST_ROWS, LEFT_OUT_TURNS = 3, 47, 10
"""So much is listed of what was sent, and of the turns that were left out."""
PROMPT_BYTES, WRITTEN_BYTES = 80_000, 45_000
"""So long is an exact text at most, as HTML."""
CONTROL_BYTES = 30
"""What a control token takes besides its own text."""


@dataclass(frozen=True, slots=True)
class Row:
    """A message, by its first words. None for `tokens`: so many messages (or turns) are not listed."""

    role: str
    words: str
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Exact:
    """A text with its control tokens, perhaps without its middle: `cut` tokens of it."""

    tokens: int = 0
    head: Sequence[Span] = ()
    cut: int = 0
    tail: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """All that is shown of one answer. Without `sent` its tokens were not kept."""

    answer: Message
    left_out: Sequence[Row] = ()
    unlisted_turns: int = 0
    sent: Sequence[Row] = ()
    unlisted_messages: int = 0
    last_sent: Sequence[Row] = ()
    prompt: Exact = field(default_factory=Exact)
    written: Exact = field(default_factory=Exact)


def account(answer: Message) -> Account:
    """Of an answer that was loaded with its token ids."""
    prompt_ids = TokenIdsField.unpack(answer.prompt_token_ids)
    written_ids = TokenIdsField.unpack(answer.token_ids)
    if not prompt_ids:
        return Account(answer, written=exact(written_ids, WRITTEN_BYTES))
    rows = [_sent(message) for message in transcript.messages(prompt_ids)]
    first, last = (rows, []) if len(rows) <= FIRST_ROWS + LAST_ROWS else (rows[:FIRST_ROWS], rows[-LAST_ROWS:])
    return Account(
        answer=answer,
        left_out=_left_out(answer),
        unlisted_turns=max(0, answer.dropped_turns - LEFT_OUT_TURNS),
        sent=first,
        unlisted_messages=len(rows) - len(first) - len(last),
        last_sent=last,
        prompt=exact(prompt_ids, PROMPT_BYTES),
        written=exact(written_ids, WRITTEN_BYTES),
    )


def exact(token_ids: Sequence[int], max_bytes: int) -> Exact:
    """As much as fits, from both ends."""
    head = _fitting(token_ids, max_bytes)
    if head == len(token_ids):
        return Exact(len(token_ids), list(transcript.spans(token_ids)))
    head = _fitting(token_ids, max_bytes // 2)
    tail = len(token_ids) - _fitting(reversed(token_ids), max_bytes // 2)
    spans = transcript.spans
    return Exact(len(token_ids), list(spans(token_ids[:head])), tail - head, list(spans(token_ids[tail:])))


def _fitting(token_ids: Iterable[int], max_bytes: int) -> int:
    """How many of the ids fit, as HTML."""
    used, count = 0, 0
    for token_id in token_ids:
        (span,) = transcript.spans([token_id])
        used += len(escape(span.text).encode()) + CONTROL_BYTES * span.is_control
        if used > max_bytes:
            break
        count += 1
    return count


def _left_out(answer: Message) -> list[Row]:
    """The newest of the turns that were left out, in order; these are in no token ids."""
    asked = answer.parent
    if not answer.dropped_turns or asked is None:
        return []
    history = History(answer.conversation, asked.parent_id)
    end = min(answer.dropped_turns, len(history))
    turns = history[max(0, end - LEFT_OUT_TURNS) : end]
    return [Row(_("You"), _preview(turn.prompt), turn_tokens(turn)) for turn in turns]


def _sent(message: Told) -> Row:
    text = message.text
    if message.role == "developer":
        text = text.removeprefix("# Instructions").lstrip()
    words = _("The answer begins here") if message.is_open else _preview(text)
    return Row(_role(message.role), words, message.tokens)


def _role(name: str) -> str:
    return {
        "system": _("System"),
        "developer": _("Your instructions"),
        "user": _("You"),
        "assistant": _("Model"),
    }.get(name, name[:PREVIEW_CHARACTERS])


def _preview(text: str) -> str:
    words = " ".join(text[: 4 * PREVIEW_CHARACTERS].split())
    if len(words) <= PREVIEW_CHARACTERS:
        return words if len(text) <= 4 * PREVIEW_CHARACTERS else f"{words}…"
    return words[:PREVIEW_CHARACTERS].rsplit(" ", 1)[0] + "…"
