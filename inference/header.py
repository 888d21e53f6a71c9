"""What stands before a message's text: role, recipient, channel, content type.

Collects the pieces of one header and judges them; knows nothing of what is shown to whom.
"""

from __future__ import annotations

import re

from inference.vocabulary import CHANNEL, END, MESSAGE, START, encode

MAX_HEADER_TOKENS = 32
"""A longer "header" is text whose `<|message|>` was forgotten."""

ASSISTANT = b"assistant"
CHANNEL_NAMES = (b"analysis", b"final", b"commentary")
_ROLES = (ASSISTANT, b"user", b"system", b"developer", b"tool")

_PART = re.compile(rb"\s*(?P<name>(?:(?!to=)\S+)?)\s*(?P<recipient>to=\S*)?\s*(?P<rest>.*)", re.DOTALL)
_UNMARKED = re.compile(rb"\s*(?:(?:assistant|user|system|developer|tool)\b)?\s*(?:to(?:=\S*)?)?")


class Header:
    """One header as it arrives.

    `expected_role` is what should stand before `<|channel|>`: nothing where the prompt has the role
    already, "assistant" after `<|start|>`, and None where no header should begin at all.
    """

    __slots__ = ("channel", "content_type", "expected_role", "role", "tokens")

    def __init__(self, expected_role: bytes | None) -> None:
        self.expected_role = expected_role
        self.role = b""
        self.channel: bytes | None = None
        self.content_type: bytes | None = None
        self.tokens = 0

    def open_channel(self) -> None:
        self.channel = b""

    def open_content_type(self) -> None:
        self.content_type = self.content_type or b""

    def add(self, piece: bytes) -> None:
        """Append the bytes of one token to the part that is open."""
        self.tokens += 1
        if self.content_type is not None:
            self.content_type += piece
        elif self.channel is not None:
            self.channel += piece
        else:
            self.role += piece

    @property
    def is_unused(self) -> bool:
        """Whether this is the gap between two messages, with nothing in it."""
        return self.expected_role is None and self.channel is None and self.tokens == 0

    @property
    def is_marked(self) -> bool:
        """Whether a control token said that this is a header."""
        return self.channel is not None or self.expected_role == ASSISTANT

    @property
    def is_possible(self) -> bool:
        """Whether what came so far may still turn out to be a header."""
        if self.tokens > MAX_HEADER_TOKENS:
            return False
        return self.is_marked or _UNMARKED.fullmatch(self.role) is not None

    @property
    def is_plausible(self) -> bool:
        """Whether this reads as a header, or the beginning of one, and not as somebody's text."""
        if not self.is_marked:
            return not self.role.strip()
        role, channel = _part(self.role), _part(self.channel or b"")
        is_role = role["name"] in (b"", *_ROLES) or role["name"].startswith(b"functions.")
        is_channel = any(name.startswith(channel["name"]) for name in CHANNEL_NAMES)
        is_complete = _is_ending(role) and _is_ending(channel) and _is_word(self.content_type or b"")
        return is_role and is_channel and is_complete

    @property
    def is_well_formed(self) -> bool:
        """Whether this is, to the letter, how the assistant begins a message for its reader."""
        is_role = self.role.strip() == self.expected_role
        return is_role and (self.channel or b"").strip() in CHANNEL_NAMES and self.content_type is None

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else than the assistant is named as the author."""
        return _part(self.role)["name"] not in (b"", ASSISTANT)

    @property
    def recipient(self) -> bytes:
        """Whom the message is for, such as functions.search; empty where it is for the reader."""
        named = (_part(part)["recipient"] for part in (self.channel or b"", self.role))
        return next(filter(None, named), b"").removeprefix(b"to=")

    @property
    def has_recipient(self) -> bool:
        return any(_part(part)["recipient"] for part in (self.role, self.channel or b""))

    @property
    def channel_name(self) -> bytes:
        return _part(self.channel or b"")["name"]

    @property
    def text(self) -> bytes:
        """What is left to show if this was no header: all but the known role and channel names."""
        role = _without_name(self.role, _ROLES) if self.is_marked else self.role
        return role + _without_name(self.channel or b"", CHANNEL_NAMES) + (self.content_type or b"")

    def ids_to_final(self) -> tuple[int, ...]:
        """Return the ids that lead from here to the text of a message in the final channel."""
        role, final = encode("assistant"), (*encode("final"), MESSAGE)
        author = self.role.strip()
        if self.channel is None:
            if author == ASSISTANT or (not author and self.expected_role == b""):
                return (CHANNEL, *final)
            if not author and self.is_marked:
                return (*role, CHANNEL, *final)
        elif author in (b"", ASSISTANT) and self.content_type is None:
            if not self.channel:
                return final
            if self.channel == b"final":
                return (MESSAGE,)
        ending = () if self.is_unused else (MESSAGE, END) if self.is_plausible else (END,)
        return (*ending, START, *role, CHANNEL, *final)


def _part(part: bytes) -> dict[str, bytes]:
    match = _PART.fullmatch(part)
    return match.groupdict(default=b"") if match else {}


def _is_ending(part: dict[str, bytes]) -> bool:
    """Whether nothing follows name and recipient, but for a recipient cut short or a content type."""
    return _is_word(part["rest"]) if part["recipient"] else part["rest"] in (b"", b"to")


def _is_word(rest: bytes) -> bool:
    return re.fullmatch(rb"\s*\w*\s*", rest) is not None


def _without_name(part: bytes, names: tuple[bytes, ...]) -> bytes:
    stripped = part.lstrip()
    name = _part(part)["name"]
    return stripped[len(name) :] if name in names else part
