"""The floor under a web process: the site's own server and HTTP client, which hand the engine's stream on as it is.

Run by daphne. A POST names the engine's address and what to send there. What the engine answers becomes the answer, or
goes to all sockets in frames `gather_seconds` apart; nothing is parsed, rendered or saved.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from tests.bench.bare_fanout import attend, body_of, send_to_all

AT_ONCE_SECONDS = 0.0005
"""What came sooner was there already."""

Write = Callable[[bytes], Awaitable[None]]

_clients: list[httpx.AsyncClient] = []


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    if scope["type"] == "websocket":
        await attend(scope, receive, send)
    elif scope["type"] == "http":
        await _answer(scope, receive, send)


async def _answer(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    async def write(piece: bytes) -> None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})

    body = await body_of(scope, receive)
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": False})
    if body:
        await _relay(write, **json.loads(body))
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _relay(write: Write, url: str, request: dict[str, object], gather_seconds: float) -> None:
    if not _clients:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        _clients.append(httpx.AsyncClient(timeout=None, trust_env=False, limits=limits))
    async with _clients[0].stream("POST", url, json=request) as response:
        if gather_seconds:
            async for piece in _gathered(response.aiter_raw(), gather_seconds):
                await send_to_all(piece.decode())
        else:
            async for piece in response.aiter_raw():
                await write(piece)


async def _gathered(pieces: AsyncIterator[bytes], gather_seconds: float) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    gathered = b""
    asked_at = loop.time()
    async for piece in pieces:
        gathered += piece
        if loop.time() - asked_at > AT_ONCE_SECONDS:
            yield gathered
            gathered = b""
            await asyncio.sleep(gather_seconds)
        asked_at = loop.time()
    yield gathered
