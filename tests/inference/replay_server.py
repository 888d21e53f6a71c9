"""An HTTP server that replays bytes: what no vLLM server should send, and some might."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

MODELS = {"data": [{"id": "demo", "max_model_len": 100}]}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d Status\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )


def event(token_ids: object, reason: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "text": "", "token_ids": token_ids, "finish_reason": reason, **more}
    return b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


@dataclass
class ReplayServer:
    """Answers GET with `models` and POST with `chunks`, then with silence if `hold` is set."""

    models: bytes = field(default_factory=lambda: answer(200, json.dumps(MODELS).encode()))
    chunks: Sequence[bytes] = ()
    hold: bool = False
    is_frozen: bool = False
    """Takes connections and says nothing, as a stopped process does."""
    requests: list[dict[str, object]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    received: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except ConnectionError:
            self.dropped.set()
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        if self.is_frozen:
            await reader.read()
            self.dropped.set()
            return
        if head.startswith("GET"):
            writer.write(self.models)
            await writer.drain()
            return
        length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length"))
        self.requests.append(json.loads(await reader.readexactly(length)))
        self.received.set()
        for chunk in self.chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0)
        if self.hold and await reader.read() == b"":
            self.dropped.set()
