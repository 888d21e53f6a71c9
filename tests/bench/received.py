"""An answer of an API as its client receives it: the same few lines read every server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict

import httpx

HEADER_TOKENS = 3
"""Harmony's `<|channel|>analysis<|message|>` and the like, before the first text."""

Pieces = list[tuple[float, bytes]]
"""What came over the wire, each with its seconds since the request."""


class Delta(TypedDict, total=False):
    content: str | None
    reasoning: str | None


class Choice(TypedDict, total=False):
    delta: Delta


class Usage(TypedDict):
    completion_tokens: int


class Event(TypedDict, total=False):
    """A chunk of chat completions, an event of /api/generate, or a whole completion."""

    text: str
    choices: list[Choice]
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class Received:
    """Seconds count from the request; an answer that comes as a whole has its first text at the end.

    `texts`: in how many events the text came; `digest` is of the text.
    """

    tokens: int
    texts: int
    digest: str
    first_text_seconds: float
    last_text_seconds: float
    total_seconds: float

    @classmethod
    def of(cls, pieces: Pieces, total_seconds: float) -> Received:
        events = list(_events(pieces))
        texts = [seconds for seconds, event in events if _text(event)] or [total_seconds]
        used = [usage["completion_tokens"] for _, event in events if (usage := event.get("usage"))]
        text = "".join(_text(event) for _, event in events)
        return cls(used[-1], len(texts), digest_of(text), texts[0], texts[-1], total_seconds)

    @property
    def stream_seconds_per_token(self) -> float:
        """From the first text to the last."""
        return (self.last_text_seconds - self.first_text_seconds) / (self.tokens - HEADER_TOKENS - 1)

    @property
    def tokens_per_text(self) -> float:
        """Near 1 where each is told of at once; a server that is slower than its engine tells of several together."""
        return self.tokens / self.texts

    @property
    def seconds_per_token(self) -> float:
        """Of the whole request."""
        return self.total_seconds / self.tokens


def _events(pieces: Pieces) -> Iterator[tuple[float, Event]]:
    rest = b""
    for seconds, piece in [*pieces, (0.0, b"\n")]:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if (text := line.removeprefix(b"data: ")).startswith(b"{"):
                yield seconds, json.loads(text)


def _text(event: Event) -> str:
    """The thinking counts as well."""
    deltas = [choice.get("delta", {}) for choice in event.get("choices", [])]
    said = [delta.get("reasoning") or delta.get("content") or "" for delta in deltas]
    return (event.get("text") or "") + "".join(said)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def receive(client: httpx.AsyncClient, url: str, body: Mapping[str, object]) -> tuple[Pieces, float]:
    """What came, and the seconds until all had come. It is read only then: reading takes time."""
    pieces: Pieces = []
    started = time.perf_counter()
    async with client.stream("POST", url, json=body) as response:
        async for piece in response.aiter_raw():
            pieces.append((time.perf_counter() - started, piece))
    total_seconds = time.perf_counter() - started
    if response.status_code != httpx.codes.OK:
        raise RuntimeError(f"{url} answered {response.status_code}: {pieces}")
    return pieces, total_seconds


async def receive_all(url: str, key: str, body: Mapping[str, object], count: int) -> list[tuple[Pieces, float]]:
    """So many at the same moment, each over a connection of its own."""
    headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(headers=headers, timeout=None, trust_env=False, limits=limits) as client:
        return list(await asyncio.gather(*(receive(client, url, body) for _ in range(count))))
