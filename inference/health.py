"""Whether the server lives, and whether the engine is ready; for load balancers and scripts. Asks no database."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse

from inference.scrape import is_watcher
from inference.supervisor import get_supervisor


def alive(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """200 when a prompt would be answered, else 503; with the engine's state.

    Those who may read the metrics are told why, too, which names servers and folders.
    """
    status = get_supervisor().status
    body: dict[str, object] = {"state": status.state}
    if is_watcher(request):
        body |= {"text": status.text, "reason": status.reason, "fix": status.fix, "log": status.log}
    return JsonResponse(body, status=200 if status.state == "ready" else 503)
