"""One server of a pool: what is known of it, and which of several a request should go to."""

from __future__ import annotations

import hashlib
import threading
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from inference.engine import EngineFacts
from inference.engines.server import ServerEngine
from inference.errors import EngineFailedError

SILENT_SECONDS = 10.0
AVOID_SECONDS = 60.0
"""One that was silent for long when its reader left may hang: it is the last choice for a while."""

PREFIX_TOKENS = 128
"""The system message and a first prompt's beginning: the same in every turn of a conversation."""


@dataclass(eq=False, slots=True)
class Member:
    """`requests` are those of this process alone."""

    server: ServerEngine
    is_admitted: bool = False
    """Whether it answered when it was last asked, and serves what the others serve."""
    left_out_for: str = ""
    is_doubted: threading.Event = field(default_factory=threading.Event)
    requests: set[str] = field(default_factory=set)
    heard_at: float = 0.0
    avoided_until: float = 0.0

    @property
    def is_well(self) -> bool:
        return self.is_admitted and not self.is_doubted.is_set() and self.server.is_healthy()

    def ask(self) -> EngineFacts | EngineFailedError:
        """What it serves, or why it cannot be used; blocks for seconds."""
        try:
            return self.server.start(lambda _progress: None)
        except EngineFailedError as error:  # this one's fault; the others may be well
            return error

    def note_left(self, begun_at: float) -> None:
        """The reader of a request left before its end; it may have left because nothing came."""
        now = time.monotonic()
        if now - max(self.heard_at, begun_at) > SILENT_SECONDS:
            self.avoided_until = now + AVOID_SECONDS

    def rank(self, beginning: bytes) -> bytes:
        """Rendezvous hashing: each beginning has its own order of the servers, in all processes the same."""
        name = hashlib.blake2b(self.server.name.encode()).digest()
        return hashlib.blake2b(beginning, key=name).digest()


def best(members: Sequence[Member], prompt_ids: Sequence[int]) -> Member:
    """The least busy of the well ones, and of equals the one whose cache may hold the prompt's beginning."""
    now = time.monotonic()
    beginning = array("q", prompt_ids[:PREFIX_TOKENS]).tobytes()
    return min(
        members,
        key=lambda it: (not it.is_well, it.avoided_until > now, len(it.requests), it.rank(beginning)),
    )
