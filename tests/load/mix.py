"""What browsers ask a site for, and how often: one person's visit, taken apart.

Somebody comes with an empty cache, opens seven conversations (each with its socket), scrolls down the list twice,
types two prompts and a search, looks at a context and begins to rename. Pages and fragments are about one person and
never kept (`no-store`), static files for ever: a second page asks for none of them.
"""

from __future__ import annotations

from collections.abc import Mapping

PAGE = "page"
SOCKET = "socket"
STATIC = "static file"

VISIT: Mapping[str, int] = {
    PAGE: 7,
    "home": 1,
    STATIC: 8,
    "older": 2,
    "search": 3,
    "context": 1,
    "meter": 8,
    "rename": 1,
    "item": 1,
    "health": 1,
}
"""Requests of a visit. `meter` is asked while a prompt is typed, `home` leads to a page, `health` is a proxy's."""

REQUESTS = sum(VISIT.values()) + VISIT[PAGE]
"""With the sockets, of which each page opens one."""
