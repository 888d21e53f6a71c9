"""Programs, which bring an API key, pass by sessions, forms and languages: those are for browsers.

Each of Django's middlewares takes a thread, twice. With many requests at once that was the longest part.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import resolve
from django.utils.decorators import sync_and_async_middleware

Handler = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]

API = ("/v1/", "/api/")


@sync_and_async_middleware
def programs(get_response: Handler) -> Handler:
    async def answer(request: HttpRequest) -> HttpResponseBase:
        if "Authorization" in request.headers and request.path_info.startswith(API):
            match = resolve(request.path_info)
            if iscoroutinefunction(match.func):
                request.get_host()  # raises DisallowedHost, as CommonMiddleware does
                request.resolver_match = match
                return _measured(await match.func(request, *match.args, **match.kwargs))
        return await get_response(request)  # type: ignore[misc,no-any-return]  # asynchronous here

    return answer if iscoroutinefunction(get_response) else get_response


def _measured(response: HttpResponseBase) -> HttpResponseBase:
    if isinstance(response, HttpResponse):
        response.headers.setdefault("Content-Length", str(len(response.content)))
    return response
