"""Whether the server lives, and whether the engine is ready; for load balancers and scripts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse

from inference.supervisor import get_supervisor


def alive(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


def ready(_request: HttpRequest) -> JsonResponse:
    """200 when a prompt would be answered, else 503; with the engine's state, why, and its own last errors."""
    status = get_supervisor().status
    body = {
        "state": status.state,
        "text": status.text,
        "reason": status.reason,
        "fix": status.fix,
        "log": status.log,
    }
    return JsonResponse(body, status=200 if status.state == "ready" else 503)
