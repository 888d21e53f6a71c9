"""The Content-Security-Policy of every page; with DEBUG, what browsers tell of pages that break it."""

from __future__ import annotations

import json
import logging
import re
import time
from collections import deque
from urllib.parse import urlsplit

from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

logger = logging.getLogger(__name__)

SHOWN_CHARACTERS = 60
SCHEMES = ("data", "blob", "http", "https", "ws", "wss")
REPORTS_AT_ONCE, REPORT_SECONDS = 20, 60.0

_told: deque[float] = deque(maxlen=REPORTS_AT_ONCE)


class PolicyMiddleware(CSPMiddleware):
    """Runs on the event loop: it looks at settings and headers, for which Django would take a thread twice."""

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        self.process_request(request)
        return self.process_response(request, await self.get_response(request))  # type: ignore[misc]  # asynchronous


@csrf_exempt  # browsers send it by themselves
@require_POST
def report(request: HttpRequest) -> HttpResponse:
    """A line in the log for each of a few; see https://www.w3.org/TR/CSP3/#deprecated-serialize-violation."""
    try:
        told = json.loads(request.body)["csp-report"]
        facts = {name: _shown(told.get(name)) for name in ("document-uri", "effective-directive", "blocked-uri")}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return HttpResponse("This is no report about a policy.\n", status=400, content_type="text/plain; charset=utf-8")
    if _is_due(time.monotonic()):
        logger.warning("A page of %s broke the policy: %s does not allow %s.", *facts.values())
    return HttpResponse(status=204)


def _shown(told: object) -> str:
    """Whose an address is, or a word of the browser's; the rest of an address can be what somebody wrote."""
    parts = urlsplit(str(told))
    known = parts.netloc or (parts.scheme if parts.scheme in SCHEMES else parts.path)
    return ascii(known[:SHOWN_CHARACTERS]) if parts.netloc or re.fullmatch("[a-z-]*", known) else "something else"


def _is_due(now: float) -> bool:
    """A page with a thousand wrong images has a thousand reports."""
    if len(_told) == REPORTS_AT_ONCE and now - _told[0] < REPORT_SECONDS:
        return False
    _told.append(now)
    return True
