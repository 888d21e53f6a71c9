"""/metrics: what this process and its engine count, for those who may know it."""

from __future__ import annotations

import ipaddress
import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from inference.metrics import REGISTRY
from inference.supervisor import get_supervisor

FORWARDING_HEADERS = ("Forwarded", "Via", "X-Real-IP")

HOW_TO_GET_IN = """These figures are for the machine itself and for those who watch it.
Send the token: Authorization: Bearer <METRICS_TOKEN of the server's settings>.
Or name your network in METRICS_NETWORKS; behind a proxy, which hides the network, only the token counts.
"""


@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    if not is_watcher(request):
        return HttpResponse(HOW_TO_GET_IN, status=403, content_type="text/plain; charset=utf-8")
    text = generate_latest(REGISTRY) + (await get_supervisor().metrics()).encode()
    response = HttpResponse(text, content_type=CONTENT_TYPE_LATEST)
    add_never_cache_headers(response)
    return response


def is_watcher(request: HttpRequest) -> bool:
    """Whether a program that watches the server asks: it has the token, or comes straight from a trusted network.

    Asks no database: it must answer while there is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return secrets.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    return not _is_forwarded(request) and _is_trusted(request.META.get("REMOTE_ADDR") or "")


def _is_forwarded(request: HttpRequest) -> bool:
    """A proxy's address is not that of whoever asks it."""
    return any(name in request.headers for name in FORWARDING_HEADERS) or any(
        name.lower().startswith("x-forwarded-") for name in request.headers
    )


def _is_trusted(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # a Unix socket has none: whoever is behind it
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in settings.METRICS_NETWORKS)
