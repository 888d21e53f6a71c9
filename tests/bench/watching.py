"""Many open pages without a browser, in a process of their own: sockets that keep what comes, and when.

What came is read only after all has come, so that the reading takes nothing from the site. The process is
told by lines on its standard input: whom to watch, and when to tell what was seen.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
OPENED_TOGETHER = 20
OPENING_SECONDS = 60
QUIET_SECONDS = 0.6
TEXT, CLOSE = 1, 8
OF_THE_ANSWER = "message-"
"""What is for the page's other parts, such as a sign of life, comes to each page at another time."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The frames of the answer that came to one page; `digest` is of all their texts, in their order."""

    frames: int
    bytes: int
    first_time: float
    last_time: float
    digest: str

    @property
    def frames_per_second(self) -> float:
        return (self.frames - 1) / (self.last_time - self.first_time)


@dataclass(frozen=True, slots=True)
class Sights:
    """Of all pages; `frames` are those of one."""

    pages: list[Sight]
    frames: list[str]


class Watchers:
    """The process, seen from the benchmark."""

    def __init__(self, address: str, headers: Mapping[str, str], count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.watching"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._tell({"address": address, "headers": dict(headers), "count": count})
        self._hear()

    def stop(self) -> Sights:
        """What they saw, when nothing more comes."""
        self._tell({})
        told = cast(dict[str, list[list[str]]], self._hear())
        self._process.wait(OPENING_SECONDS)
        return Sights([Sight(*page) for page in told["pages"]], cast(list[str], told["frames"]))  # type: ignore[arg-type]

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _tell(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> object:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The watching process ended.")
        return json.loads(line)


HEARTBEAT = b'id="heartbeat"'
FINAL, MASKED, PING, PONG = 0x80, 0x80, 0x9, 0xA


class Page(asyncio.Protocol):
    """One socket: its side of WebSocket that listens."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pieces: list[tuple[float, bytes]] = []
        self.is_closed = False
        self.heard_at = 0.0
        """When it last heard anything but signs of life."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def data_received(self, piece: bytes) -> None:
        now = time.time()
        self.pieces.append((now, piece))
        if HEARTBEAT not in piece:
            self.heard_at = now
        if piece[0] == FINAL | PING:  # it comes by itself; who does not answer is cut off after half a minute
            content = piece[2 : 2 + piece[1]]
            self._transport.write(bytes([FINAL | PONG, MASKED | len(content), 0, 0, 0, 0]) + content)
        if not self.opened.done():
            self._look_whether_open()

    def _look_whether_open(self) -> None:
        """The first frame says that the page is shown; only from then on it hears of answers."""
        head, _, frames = b"".join(piece for _, piece in self.pieces).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            self.opened.set_exception(RuntimeError(f"The socket was refused: {head[:200]!r}"))
        elif frames:
            self.opened.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True

    def frames(self) -> list[tuple[float, str]]:
        """What came after the handshake, as texts with their times."""
        buffer, frames = b"", []
        for at, piece in self.pieces:
            buffer += piece
            if buffer.startswith(b"HTTP/1.1 "):  # as no frame of text begins
                buffer = buffer.partition(b"\r\n\r\n")[2]
            while frame := _frame(buffer):
                code, text, buffer = frame
                if code == CLOSE:
                    raise RuntimeError("The site closed a socket.")
                if code == TEXT:
                    frames.append((at, text.decode()))
        return frames

    def sight(self) -> tuple[Sight, list[str]]:
        if self.is_closed:
            raise RuntimeError("A socket was lost.")
        frames = [(at, text) for at, text in self.frames() if OF_THE_ANSWER in text]
        times, texts = [at for at, _ in frames], [text for _, text in frames]
        whole = "\n".join(texts).encode()
        digest = hashlib.sha256(whole).hexdigest()
        return Sight(len(frames), len(whole), times[0], times[-1], digest), texts


def _frame(buffer: bytes) -> tuple[int, bytes, bytes] | None:
    """The first whole frame, as its code and its content, and what comes after it."""
    if len(buffer) < 2:
        return None
    if not buffer[0] & 0x80 or buffer[0] & 0x70 or buffer[1] & 0x80:
        raise RuntimeError("A frame in parts, compressed or masked is not expected.")
    length, start = buffer[1] & 0x7F, 2
    if length > 125:
        start = 4 if length == 126 else 10
        if len(buffer) < start:
            return None
        length = int.from_bytes(buffer[2:start], "big")
    end = start + length
    return (buffer[0] & 0x0F, buffer[start:end], buffer[end:]) if len(buffer) >= end else None


def handshake(address: str, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(address)
    key = b64encode(secrets.token_bytes(16)).decode()
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", "Upgrade: websocket"]
    lines += ["Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def open_pages(address: str, headers: Mapping[str, str], count: int) -> list[Page]:
    """Some at a time, as a crowd comes: a listening socket has room for so many."""
    loop, parts = asyncio.get_running_loop(), urlsplit(address)
    pages: list[Page] = []
    while len(pages) < count:
        for _ in range(min(OPENED_TOGETHER, count - len(pages))):
            _, page = await loop.create_connection(
                lambda: Page(handshake(address, headers)), str(parts.hostname), int(parts.port or 80)
            )
            pages.append(page)
        async with asyncio.timeout(OPENING_SECONDS):
            await asyncio.gather(*(page.opened for page in pages))
    return pages


async def quiet(pages: list[Page]) -> None:
    """Until nothing more comes."""
    while max(page.heard_at for page in pages) > time.time() - QUIET_SECONDS:
        await asyncio.sleep(QUIET_SECONDS / 4)


async def watch() -> None:
    task = json.loads(sys.stdin.readline())
    pages = await open_pages(task["address"], task["headers"], task["count"])
    await quiet(pages)
    _tell("open")
    await asyncio.to_thread(sys.stdin.readline)
    await quiet(pages)
    _tell({"pages": [_values(page.sight()[0]) for page in pages], "frames": pages[0].sight()[1]})


def _values(sight: Sight) -> list[object]:
    return [sight.frames, sight.bytes, sight.first_time, sight.last_time, sight.digest]


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(watch())
