"""Requests byte by byte, as no client's library would send them."""

from __future__ import annotations

import socket
from http.client import HTTPException, HTTPResponse

import httpx

from tests.site_process import SiteProcess

PATIENCE_SECONDS = 2.0


def exchange(site: SiteProcess, request: bytes, patience_seconds: float = PATIENCE_SECONDS) -> httpx.Response | None:
    """The first answer; None where the server closes without a word, or waits for more."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=patience_seconds) as connection:
        received = HTTPResponse(connection)
        try:
            connection.sendall(request)
            received.begin()
            body = received.read()
        except (OSError, HTTPException):
            return None
        finally:
            received.close()
    headers = [(name, value) for name, value in received.getheaders() if name.lower() != "content-encoding"]
    return httpx.Response(received.status, headers=headers, content=body, request=httpx.Request("GET", site.url))
