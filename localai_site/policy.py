"""The Content-Security-Policy of every page; with DEBUG, what browsers tell of pages that break it."""

from __future__ import annotations

import json
import logging
from urllib.parse import urlsplit

from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

logger = logging.getLogger(__name__)

SHOWN_CHARACTERS = 100


class PolicyMiddleware(CSPMiddleware):
    """Runs on the event loop: it looks at settings and headers, for which Django would take a thread twice."""

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        self.process_request(request)
        return self.process_response(request, await self.get_response(request))  # type: ignore[misc]  # asynchronous


@csrf_exempt  # browsers send it by themselves
@require_POST
def report(request: HttpRequest) -> HttpResponse:
    """A line in the log for each; see https://www.w3.org/TR/CSP3/#deprecated-serialize-violation."""
    try:
        told = json.loads(request.body)["csp-report"]
        facts = {name: _shown(told.get(name)) for name in ("document-uri", "effective-directive", "blocked-uri")}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return HttpResponse("This is no report about a policy.\n", status=400, content_type="text/plain; charset=utf-8")
    logger.warning("%s broke the policy: %s does not allow %s.", *facts.values())
    return HttpResponse(status=204)


def _shown(address: object) -> str:
    """Without what somebody searched for."""
    parts = urlsplit(str(address))
    return ascii(f"{parts.netloc}{parts.path}"[:SHOWN_CHARACTERS])
