"""Compressed pages; streams go out as they come."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class CompressionMiddleware(GZipMiddleware):
    """Leaves streams alone: a token is sent when it is there, and compressing it by itself gains nothing."""

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """Without a thread for what is not compressed."""
        response: HttpResponseBase = await self.get_response(request)  # type: ignore[misc]  # asynchronous here
        return response if response.streaming else await sync_to_async(self.process_response)(request, response)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return response if response.streaming else super().process_response(request, response)
