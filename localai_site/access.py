"""Around the whole application: each request and each socket gets an id, and a line in the log.

Lines have paths without their queries: a query is what somebody searches for.
"""

from __future__ import annotations

import logging
import time
from urllib.parse import quote

import daphne.access
from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
    WebSocketScope,
)

from inference import request_id
from localai_site.logs import without_secrets

logger = logging.getLogger(__name__)

HEADER = b"x-request-id"
QUIET = ("/static/", "/healthz", "/readyz", "/metrics", "/admin/engine/")
"""What is asked for so often that reading it is worth a line only when it fails."""


class BrokenError(Exception):
    """Told to the server in place of the error, whose text may quote people; the log has told of it."""


class AccessMiddleware:
    """An id that the client or a proxy sends as X-Request-ID is kept, and answered."""

    def __init__(self, application: ASGI3Application) -> None:
        self._application = application
        _silence_daphne()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        request_id.begin(request_id.accepted(_asked(scope)))
        exchange = Exchange(scope, send)
        try:
            await self._application(scope, receive, exchange.send)
        except Exception:
            logger.exception("%s broke.", exchange.name)
            raise BrokenError(exchange.name) from None
        finally:
            exchange.log_end()


class Exchange:
    """One request with its response, or one socket."""

    def __init__(self, scope: HTTPScope | WebSocketScope, send: ASGISendCallable) -> None:
        self._send = send
        self._id = request_id.current()
        self._began = time.perf_counter()
        self._is_socket = scope["type"] == "websocket"
        self._method = "SOCKET" if scope["type"] == "websocket" else scope["method"]
        self._path = without_secrets(quote(scope["path"]))  # it may hold line breaks
        self._status: int | None = None

    @property
    def name(self) -> str:
        return f"{self._method} {self._path}"

    async def send(self, event: ASGISendEvent) -> None:
        if event["type"] in ("http.response.start", "websocket.accept"):
            event["headers"] = [*event.get("headers", []), (HEADER, self._id.encode())]
        if event["type"] == "http.response.start":
            self._status = event["status"]
        elif event["type"] == "websocket.accept":
            logger.info("%s opened", self.name)
        await self._send(event)

    def log_end(self) -> None:
        if self._method == "GET" and self._path.startswith(QUIET) and (self._status or 500) in (200, 304, 503):
            return
        seconds = round(time.perf_counter() - self._began, 3)
        facts = {"method": self._method, "path": self._path, "status": self._status, "seconds": seconds}
        ended = "closed" if self._is_socket else self._status or "ended without an answer"
        logger.info("%s %s in %.3f s", self.name, ended, seconds, extra={"facts": facts})


def _asked(scope: HTTPScope | WebSocketScope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == HEADER), "")


def _silence_daphne() -> None:
    """Its own access log has whole addresses, and can be turned off by its command line alone."""
    daphne.access.AccessLogGenerator.__call__ = lambda *_arguments: None
