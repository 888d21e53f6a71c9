"""A vLLM server that writes what a test tells it to: real HTTP, real token ids, no model.

Run by itself it answers every prompt with a paced demonstration: `python -m tests.scripted_server 8001`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from inference.vocabulary import encoding

MODEL = "scripted"


def harmony(text: str) -> list[int]:
    """The ids of `text`; control tokens spelled as `<|…|>` become what they spell."""
    return list(encoding().encode(text, allowed_special="all"))


def reply(thinking: str = "", answer: str = "") -> list[int]:
    """A well-formed reply."""
    analysis = f"<|channel|>analysis<|message|>{thinking}<|end|><|start|>assistant" if thinking else ""
    return harmony(f"{analysis}<|channel|>final<|message|>{answer}<|return|>")


@dataclass
class Script:
    """What one request gets: ids, the pause before each, and how the stream ends.

    `hold` keeps back what comes from id number `hold_at` on. `finish_reason` None drops the connection
    after the last id, as a dying server does. `status` other than 200 is an answer without a stream.
    """

    token_ids: Sequence[int]
    seconds_per_token: float = 0.0
    finish_reason: str | None = "stop"
    hold: threading.Event | None = None
    hold_at: int = 0
    status: int = 200

    def holds(self, index: int) -> bool:
        return self.hold is not None and index >= self.hold_at and not self.hold.is_set()


@dataclass
class ScriptedServer:
    """Serves on a loopback port from a thread of its own."""

    scripts: deque[Script] = field(default_factory=deque)
    default: Script = field(default_factory=lambda: Script(reply("Thinking.", "An answer.")))
    requests: list[dict[str, object]] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    metrics: str = ""
    request_times: list[float] = field(default_factory=list)
    refusal: str = ""
    dropped: int = 0
    port: int = 0
    model: str = MODEL
    max_model_len: int = 65536
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def enqueue(self, token_ids: Iterable[int], **options: object) -> None:
        self.scripts.append(Script(list(token_ids), **options))  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, port: int = 0) -> ScriptedServer:
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def serve() -> None:
            self._server = await asyncio.start_server(self._connection, "127.0.0.1", port)
            self.port = self._server.sockets[0].getsockname()[1]
            started.set()

        def run() -> None:
            self._loop.create_task(serve())
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        started.wait(10)
        return self

    def stop(self) -> None:
        """Ends what runs and listens no more. Harmless when stopped already."""
        if self._loop.is_closed():
            return

        async def turns() -> None:
            """In which the loop opens what was accepted, and closes what was aborted."""
            for _ in range(5):
                await asyncio.sleep(0)

        async def close() -> None:
            # First nobody more is let in: a server that is closed cannot open what it has just accepted.
            for listening in self._server.sockets:
                self._loop.remove_reader(listening.fileno())
            await turns()
            self._server.close()
            while others := [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                await turns()
            for writer in self._writers:
                writer.transport.abort()
            await turns()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._request(reader, writer)
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        body = await reader.readexactly(lengths[0] if lengths else 0)
        if head.startswith("GET /metrics "):
            writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{self.metrics}".encode())
        elif head.startswith("GET "):
            self._models(writer)
        else:
            ids = [line[13:] for line in head.split("\r\n") if line.lower().startswith("x-request-id:")]
            self.request_ids.append(ids[0].strip() if ids else "")
            await self._completion(json.loads(body), reader, writer)

    def _models(self, writer: asyncio.StreamWriter) -> None:
        model = {"id": self.model, "object": "model", "max_model_len": self.max_model_len}
        self._answer(writer, 200, {"object": "list", "data": [model]})

    def _answer(self, writer: asyncio.StreamWriter, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)

    async def _completion(
        self, request: dict[str, object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.requests.append(request)
        self.request_times.append(time.perf_counter())
        if self.refusal:
            self._answer(writer, 400, {"error": {"message": self.refusal, "code": 400}})
            return
        script = self.scripts.popleft() if self.scripts else self.default
        if script.status != 200:
            self._answer(writer, script.status, {"error": {"message": "scripted", "code": script.status}})
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await self._stream(script, request, writer, gone)
        except ConnectionError:  # the client left between two writes: as gone as one that leaves while we wait
            self.dropped += 1
        finally:
            gone.cancel()

    async def _stream(
        self,
        script: Script,
        request: dict[str, object],
        writer: asyncio.StreamWriter,
        gone: asyncio.Future[bytes],
    ) -> None:
        limit = int(str(request["max_tokens"]))
        ids = list(script.token_ids)[:limit]
        reason = "length" if len(script.token_ids) > limit else script.finish_reason
        started = time.perf_counter()
        for index, token_id in enumerate(ids):
            ahead = started + index * script.seconds_per_token - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
            while script.holds(index) and not gone.done():
                await asyncio.sleep(0.005)
            if gone.done():
                self.dropped += 1
                return
            self._event(writer, [token_id], reason if index == len(ids) - 1 else None)
            await writer.drain()
        if not ids:
            self._event(writer, [], reason)
        if reason is not None:
            writer.write(b"data: [DONE]\n\n")
        await writer.drain()

    def _event(self, writer: asyncio.StreamWriter, token_ids: list[int], reason: str | None) -> None:
        choice = {
            "index": 0,
            "text": "",
            "token_ids": token_ids,
            "finish_reason": reason,
            "stop_reason": None,
        }
        event = {"id": "cmpl-1", "object": "text_completion", "model": MODEL, "choices": [choice]}
        writer.write(b"data: " + json.dumps(event).encode() + b"\n\n")


def main() -> None:
    thinking = "The person asks for a demonstration. I will show a few paragraphs of text.\nThen I stop. " * 6
    answer = "Here is an answer that goes on for a while, with **Markdown** and words.\n\n- one\n- two\n\n" * 12
    server = ScriptedServer(default=Script(reply(thinking, answer), seconds_per_token=0.01)).start(int(sys.argv[1]))
    sys.stdout.write(f"{server.url}\n")
    threading.Event().wait()


if __name__ == "__main__":
    main()
