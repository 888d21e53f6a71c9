"""The floor under many watchers: the same server with nothing behind it that sends the same frames to all its sockets.

Run by daphne. What is to be sent comes as JSON, the frames and their seconds; its sending begins at once.
"""

from __future__ import annotations

import asyncio
import json

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope, WebSocketScope

_sockets: set[ASGISendCallable] = set()


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    if scope["type"] == "websocket":
        await attend(scope, receive, send)
    elif scope["type"] == "http":
        await _answer(scope, receive, send)


async def attend(scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    await send({"type": "websocket.send", "bytes": None, "text": "open"})
    _sockets.add(send)
    await receive()
    _sockets.discard(send)


async def _answer(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """The answer comes when all is sent."""
    body = await body_of(scope, receive)
    if body:
        await _send_all(**json.loads(body))
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": False})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


async def body_of(scope: HTTPScope, receive: ASGIReceiveCallable) -> bytes:
    body, has_more = b"", scope["method"] == "POST"
    while has_more:
        event = await receive()
        assert event["type"] == "http.request"
        body, has_more = body + event["body"], event["more_body"]
    return body


async def _send_all(frames: list[str], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, frame in enumerate(frames):
        await asyncio.sleep(began + seconds * number / len(frames) - loop.time())
        await send_to_all(frame)


async def send_to_all(frame: str) -> None:
    for socket in tuple(_sockets):
        await socket({"type": "websocket.send", "bytes": None, "text": frame})
