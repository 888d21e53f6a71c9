"""WhiteNoise among Django's asynchronous middlewares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware

Response = HttpResponseBase | Awaitable[HttpResponseBase]


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # not annotated
    """Lets requests pass without a thread that waits for the event loop.

    WhiteNoise's own is synchronous: all of Django behind it would run in such threads, and a server that is told
    to end in mid-request would wait for one of them for ever, with answers that are not saved.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Response]) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Response:
        path = request.path_info
        found = self.find_file(path) if self.autorefresh else self.files.get(path)
        if found is None:
            response: Response = self.get_response(request)
            return response
        file: HttpResponseBase = self.serve(found, request)
        return _awaitable(file) if iscoroutinefunction(self) else file


async def _awaitable(response: HttpResponseBase) -> HttpResponseBase:
    return response
