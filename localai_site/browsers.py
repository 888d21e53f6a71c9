"""What no browser sends, before anything else reads it: forms in other character sets, and addresses that are none."""

from __future__ import annotations

import codecs
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
ADDRESSES = ("HTTP_REFERER", "HTTP_HX_CURRENT_URL")

Handler = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def browsers(get_response: Handler) -> Handler:
    async def answer_later(request: HttpRequest) -> HttpResponseBase:
        return _refused(request) or await get_response(request)  # type: ignore[misc]  # as it was asked

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _refused(request) or get_response(request)  # type: ignore[return-value]

    return answer_later if iscoroutinefunction(get_response) else answer


def _refused(request: HttpRequest) -> HttpResponse | None:
    """Django decodes a form as it is told, by codecs that are for no text, too: its error page fails the same way."""
    _leave_out_what_is_no_address(request)
    if request.content_type not in FORMS or not request.encoding:
        return None
    if codecs.lookup(request.encoding).name != "utf-8":
        return HttpResponse("Send forms in UTF-8.\n", status=415, content_type="text/plain; charset=utf-8")
    request.encoding = "utf-8"  # which has other names that Django does not know
    return None


def _leave_out_what_is_no_address(request: HttpRequest) -> None:
    for name in ADDRESSES:
        try:
            urlsplit(request.META.get(name, ""))
        except ValueError:  # the client's fault: everybody else may take them apart
            del request.META[name]
            request.__dict__.pop("headers", None)  # made of META, once
