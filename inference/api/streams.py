"""Answers that arrive piece by piece: server-sent events, or lines of JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator

from django.http import StreamingHttpResponse

SSE, NDJSON = "text/event-stream", "application/x-ndjson"

DONE = b"data: [DONE]\n\n"
"""What ends a stream of chat completions."""


def sse(data: object, event: str = "") -> bytes:
    """One server-sent event."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {_json(data)}\n\n".encode()


def line(data: object) -> bytes:
    return f"{_json(data)}\n".encode()


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


async def streamed(pieces: AsyncGenerator[bytes, None], content_type: str) -> StreamingHttpResponse:
    """Wait for the first piece, then answer.

    What goes wrong before it is raised here, where it still gets a status of its own. Whoever makes the pieces
    cleans up behind itself: it is closed when the client goes away.
    """
    first = await anext(pieces)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(_all(first, pieces), content_type=content_type, headers=headers)


async def _all(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()
