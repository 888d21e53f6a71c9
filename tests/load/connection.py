"""One connection of a browser: one request after another, with little of a client's own weight beside the site's."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import dataclass

WITHOUT_BODY = (204, 304)


class BrokenAnswerError(Exception):
    """What came is no whole answer, or not the right one."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()


class Connection:
    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Raises OSError, EOFError or BrokenAnswerError."""
        reader, writer = await self._opened()
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{self._port}", "Accept-Encoding: gzip"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        try:
            return await self._answer(reader)
        except BaseException:  # the rest of it must not be taken for the next one's
            self.close()
            raise

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        status = int(first.split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
        body = b"" if status in WITHOUT_BODY else await _body(reader, headers)
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, body)

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As browsers do, a new one in place of one that the server has closed meanwhile."""
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if headers.get("transfer-encoding") != "chunked":
        raise BrokenAnswerError("An answer does not say where it ends.")
    pieces = []
    while length := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append((await reader.readexactly(length + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(pieces)
