"""Whether the server lives and is ready, answered before anything else looks at the request.

The machine asks itself under any name and without the proxy, and must be told also while the database is away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from inference import health

PROBES = {"/healthz": health.alive, "/readyz": health.ready}

Handler = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def probes(get_response: Handler) -> Handler:
    async def answer_later(request: HttpRequest) -> HttpResponseBase:
        probe = PROBES.get(request.path_info)
        return probe(request) if probe else await get_response(request)  # type: ignore[misc]  # as it was asked

    def answer(request: HttpRequest) -> HttpResponseBase:
        probe = PROBES.get(request.path_info)
        return probe(request) if probe else get_response(request)  # type: ignore[return-value]

    return answer_later if iscoroutinefunction(get_response) else answer
