"""The scripted server as an engine of known speed: it notes when it sent each token."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tests.bench.timeline import Timeline
from tests.scripted_server import ScriptedServer, harmony

WORDS = "Here is an answer that goes on for a while , with words of one token each and a line now and then .\n"


def answer_of(tokens: int) -> list[int]:
    """A well-formed reply whose answer has so many tokens of text."""
    head, end = harmony("<|channel|>final<|message|>"), harmony("<|return|>")
    words = harmony(WORDS)
    text = words * (tokens // len(words) + 1)
    return [*head, *text[:tokens], *end]


@dataclass
class PacedServer(ScriptedServer):
    """Times are epoch seconds, as the page's clock can be read too."""

    timeline: Timeline = field(default_factory=Timeline)

    def script(self, token_ids: list[int], tokens_per_second: float) -> None:
        """What the next request gets."""
        self.timeline = Timeline()
        self.enqueue(token_ids, seconds_per_token=1 / tokens_per_second)

    @property
    def request_time(self) -> float:
        """When the last request had come in."""
        return self.request_times[-1] - time.perf_counter() + time.time()

    def _event(self, writer: asyncio.StreamWriter, token_ids: list[int], reason: str | None) -> None:
        self.timeline.add(time.time(), token_ids)
        super()._event(writer, token_ids, reason)
