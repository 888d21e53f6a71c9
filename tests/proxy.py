"""A way to a server on loopback that can be closed, and that breaks in the middle of a message."""

from __future__ import annotations

import asyncio
from contextlib import suppress

CONTROL_FRAME_BYTES = 150
"""The browser's answers to pings are shorter; a form that is sent is longer."""


class Proxy:
    def __init__(self, server_port: int) -> None:
        self.port = 0
        self._server_port = server_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._breaks_after: bool | None = None

    @property
    def has_broken(self) -> bool:
        """Whether what `break_next` announced has happened."""
        return self._breaks_after is None

    def break_next(self, *, after: bool) -> None:
        """The next message from a socket is the last on it; `after` it arrived or before."""
        self._breaks_after = after

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and break those that there are."""
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:  # the server is away
            writer.transport.abort()
            return
        writers = {writer, there_writer}
        self._writers |= writers
        pumps = [
            asyncio.create_task(self._pump(reader, there_writer, is_to_server=True)),
            asyncio.create_task(self._pump(there_reader, writer, is_to_server=False)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        there_writer.close()  # politely: what was sent arrives
        writer.transport.abort()
        await asyncio.gather(*pumps, return_exceptions=True)
        self._writers -= writers

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_to_server: bool) -> None:
        is_socket = False
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                breaks = is_to_server and is_socket and len(data) > CONTROL_FRAME_BYTES and not self.has_broken
                if breaks and not self._breaks_after:
                    break
                writer.write(data)
                await writer.drain()
                if breaks:
                    break
                is_socket = is_socket or b"Upgrade: websocket" in data
            else:
                return
            self._breaks_after = None
