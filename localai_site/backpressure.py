"""The pace of clients: whoever does not read what is sent waits, and is left after a while; whoever floods is left.

daphne writes what an application sends at once, and Twisted keeps what the system does not take: beside a client
that reads nothing, a process would grow without bound. Here `send` waits until enough of it is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

from daphne.http_protocol import WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol

logger = logging.getLogger(__name__)

UNREAD_BYTES = 512 * 1024
"""So much may wait for a client before the next piece does."""
PATIENCE_SECONDS = 30.0
"""A client that takes nothing for so long is gone, whatever its system says."""
LOOK_SECONDS = 0.05

UNHEARD_MESSAGES, UNHEARD_LONG = 200, 30
"""So many messages of a page may wait for the application, and so many before a long one does: people type slower."""
LONG_BYTES = 32 * 1024


class Transport(Protocol):
    """Twisted's, of one connection."""

    @property
    def dataBuffer(self) -> bytes: ...  # noqa: N802 (Twisted's name)
    @property
    def offset(self) -> int: ...
    @property
    def _tempDataLen(self) -> int: ...  # noqa: N802
    @property
    def connected(self) -> bool: ...

    def abortConnection(self) -> None: ...  # noqa: N802 (Twisted's name)


def guard() -> None:
    """For all connections that daphne takes from now on. Harmless when repeated."""
    if Server.handle_reply is not _reply:
        Server.handle_reply = _reply
        WebSocketProtocol.onMessage = _hear


_handle_reply = Server.handle_reply
_on_message = WebSocketProtocol.onMessage


async def _reply(server: Server, connection: WebRequest | WebSocketProtocol, message: dict[str, object]) -> None:
    await _handle_reply(server, connection, message)
    transport = _transport(connection)
    if transport is not None and unread_bytes(transport) > UNREAD_BYTES:
        await _drain(transport)


async def _drain(transport: Transport) -> None:
    """Returns when enough was read, or the connection is no more."""
    unread, since = unread_bytes(transport), time.monotonic()
    while transport.connected and unread > UNREAD_BYTES:
        await asyncio.sleep(LOOK_SECONDS)
        before, unread = unread, unread_bytes(transport)
        if unread < before:
            since = time.monotonic()
        elif time.monotonic() - since > PATIENCE_SECONDS:
            logger.info("A client that read nothing for %d s was left.", PATIENCE_SECONDS)
            transport.abortConnection()
            return


def unread_bytes(transport: Transport) -> int:
    """What the system has not taken yet."""
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen


def _transport(connection: WebRequest | WebSocketProtocol) -> Transport | None:
    """None once it is closed."""
    channel = connection if isinstance(connection, WebSocketProtocol) else getattr(connection, "channel", None)
    return getattr(channel, "transport", None)


def _hear(connection: WebSocketProtocol, payload: bytes, is_binary: bool) -> None:
    unheard = connection.application_queue.qsize()
    if unheard >= (UNHEARD_LONG if len(payload) > LONG_BYTES else UNHEARD_MESSAGES):
        logger.info("A page that sent more than could be heard was left.")
        connection.transport.abortConnection()
        return
    _on_message(connection, payload, is_binary)
