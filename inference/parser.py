"""A reply's token ids in; text by channel out.

Survives every malformed stream: no text is lost or doubled, and no control token is shown.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import attrgetter

from inference.header import ASSISTANT, Header
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


class Channel(StrEnum):
    """What a reader can tell apart: the thinking, the answer, and where tools are offered their calls."""

    ANALYSIS = "analysis"
    FINAL = "final"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of one channel, and how many token ids it stands for.

    `call`: whose arguments these are, by its place in `Parser.calls`. The first of a call may
    have no text.
    """

    channel: Channel
    text: str
    tokens: int
    call: int | None = None


@dataclass(slots=True)
class _Tally:
    """What one channel has had so far; `held` ids wait for the rest of their character."""

    tokens: int = 0
    held: int = 0
    has_text: bool = False
    needs_break: bool = False


class Parser:
    """Reads one reply, whose prompt ended in `<|start|>assistant`.

    `prefix_ids` are ids the reply already has: the parser goes on behind them, as if it had read
    them itself. The text that belongs to them is what `feed` gave for them, without `finish`.
    `tools` are the names that were offered: what is addressed to a function is a call then, and else thinking.
    """

    def __init__(self, prefix_ids: Sequence[int] = (), tools: Collection[str] = ()) -> None:
        self.is_malformed = False
        self.is_ended = False
        self.calls: list[str] = []
        """The names of the functions that were called, in order."""
        self._tools = tools
        self._tallies = {channel: _Tally() for channel in Channel}
        self._channel = Channel.FINAL
        self._header: Header | None = Header(expected_role=b"")
        self._is_final_open = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._deltas: list[Delta] = []
        self.feed(prefix_ids)

    @property
    def thinking_tokens(self) -> int:
        return self._tallies[Channel.ANALYSIS].tokens

    @property
    def answer_tokens(self) -> int:
        return self._tallies[Channel.FINAL].tokens

    @property
    def has_thinking(self) -> bool:
        """Whether anything but blanks was thought."""
        return self._tallies[Channel.ANALYSIS].has_text

    @property
    def has_answer(self) -> bool:
        """Whether anything but blanks was answered."""
        return self._tallies[Channel.FINAL].has_text

    @property
    def is_answer_open(self) -> bool:
        """Whether what comes next is text of the final channel."""
        return self._header is None and self._is_final_open

    @property
    def open_call(self) -> str | None:
        """The function whose arguments come next."""
        return self.calls[-1] if self._header is None and self._channel is Channel.CALL else None

    def feed(self, token_ids: Iterable[int]) -> list[Delta]:
        """Read on; returns what can be shown now, one delta for each change of channel."""
        for token_id in token_ids:
            if not 0 <= token_id < FIRST_SPECIAL_ID:
                self._control(token_id)
            elif self._header is None:
                self._show(token_bytes(token_id), 1)
            else:
                self._collect(self._header, token_bytes(token_id))
        return self._taken()

    def finish(self) -> list[Delta]:
        """Return what was held back; the stream is over. Harmless when called again."""
        self._leave()
        self._header = Header(expected_role=None)
        return self._taken()

    def _control(self, token_id: int) -> None:
        if token_id == MESSAGE:
            self._open_message()
        elif token_id == CHANNEL:
            self._open_channel()
        elif token_id == START:
            self._open_header()
        elif token_id in (END, RETURN, CALL):
            self._end_message(token_id)
        elif token_id == CONSTRAIN and self._header is not None and self._header.channel is not None:
            self._header.open_content_type()
        else:
            self.is_malformed = True

    def _open_header(self) -> None:
        self.is_malformed |= self._header is None or not self._header.is_unused
        self._leave()
        self._header = Header(expected_role=ASSISTANT)

    def _open_channel(self) -> None:
        if self._header is None or self._header.channel is not None:
            self.is_malformed = True
            self._leave()
            self._header = Header(expected_role=None)
        self._header.open_channel()

    def _open_message(self) -> None:
        header = self._header
        if header is None:
            self.is_malformed = True
            return
        called = self._called(header)
        if called is None:
            self.is_malformed |= not header.is_well_formed
            self._open(_channel_of(header), is_new=True)
        else:
            self._open_call(called)
        self._is_final_open = header.channel_name == b"final" and self._channel is Channel.FINAL

    def _called(self, header: Header) -> str | None:
        """The function that a message is addressed to, where tools were offered; the model may also invent one."""
        name = header.recipient.decode("utf-8", "replace")
        function = name.removeprefix("functions.")
        is_function = function != name or function in self._tools
        return function if self._tools and function and is_function else None

    def _open_call(self, function: str) -> None:
        self._open(Channel.CALL, is_new=False)
        self.calls.append(function)
        self._deltas.append(Delta(Channel.CALL, "", 0, len(self.calls) - 1))

    def _end_message(self, token_id: int) -> None:
        if self._header is not None:
            self.is_malformed |= token_id == END or not self._header.is_unused
        self.is_ended |= token_id != END
        self._leave()
        self._header = Header(expected_role=None)

    def _collect(self, header: Header, piece: bytes) -> None:
        header.add(piece)
        if not header.is_possible:
            self._show_header(header)

    def _leave(self) -> None:
        """Close the message; a header that never got its message is dropped, unless it is text."""
        if self._header is not None and not self._header.is_plausible:
            self._show_header(self._header)
        if self._header is None:
            self._emit(self._decoder.decode(b"", final=True))

    def _show_header(self, header: Header) -> None:
        """Go on as if `<|message|>` had come before what turned out to be text."""
        self.is_malformed = True
        channel = _channel_of(header)
        self._open(channel, is_new=header.is_marked or channel is not self._channel)
        self._show(header.text, header.tokens)

    def _open(self, channel: Channel, *, is_new: bool) -> None:
        self._header = None
        self._channel = channel
        self._is_final_open = False
        tally = self._tallies[channel]
        tally.needs_break |= is_new and tally.has_text

    def _show(self, piece: bytes, tokens: int) -> None:
        tally = self._tallies[self._channel]
        tally.tokens += tokens
        tally.held += tokens
        self._emit(self._decoder.decode(piece))

    def _emit(self, text: str) -> None:
        if not text:
            return
        tally = self._tallies[self._channel]
        if tally.needs_break:
            text = f"\n\n{text}"
            tally.needs_break = False
        tally.has_text = tally.has_text or not text.isspace()
        call = len(self.calls) - 1 if self._channel is Channel.CALL else None
        self._deltas.append(Delta(self._channel, text, tally.held, call))
        tally.held = 0

    def _taken(self) -> list[Delta]:
        deltas, self._deltas = self._deltas, []
        if len(deltas) < 2:
            return deltas
        return [_merged(list(group)) for _, group in groupby(deltas, key=attrgetter("channel", "call"))]


def final_channel_ids(completion_ids: Sequence[int]) -> tuple[int, ...]:
    """Return the ids that, after this cut completion, make the model go on with its answer.

    A completion that the model ended itself is best handed in, and sent, without its last
    `<|return|>` or `<|call|>`.
    """
    parser = Parser(completion_ids)
    if parser._header is not None:
        return parser._header.ids_to_final()
    return () if parser.is_answer_open else (END, *Header(expected_role=None).ids_to_final())


def _channel_of(header: Header) -> Channel:
    if header.has_recipient:
        return Channel.ANALYSIS
    is_thinking = header.channel_name == b"analysis" and not header.is_foreign
    return Channel.ANALYSIS if is_thinking else Channel.FINAL


def _merged(deltas: Sequence[Delta]) -> Delta:
    text = "".join(delta.text for delta in deltas)
    return Delta(deltas[0].channel, text, sum(delta.tokens for delta in deltas), deltas[0].call)
