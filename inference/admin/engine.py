"""The engine page: what the engine does, is and went through; restart, stop and start for superusers."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from inference.admin import machine
from inference.admin.figures import figures_of
from inference.admin.orders import carry_out, offered
from inference.gate import get_gate
from inference.history import STARTING
from inference.limits import model_name
from inference.status import STATE_NAMES
from inference.supervisor import Supervisor, get_supervisor


@never_cache
@require_safe
def engine(request: HttpRequest) -> HttpResponse:
    """The whole page, or for its own refreshing the facts alone."""
    context = _facts(get_supervisor()) | {"may_order": _may_order(request)}
    if request.headers.get("HX-Request"):
        return render(request, "admin/inference/engine_facts.html", context)
    return render(request, "admin/inference/engine.html", admin.site.each_context(request) | context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def engine_order(request: HttpRequest, name: str) -> HttpResponse:
    """Asks first, and says what becomes of running answers."""
    if not _may_order(request):
        raise PermissionDenied
    if name not in ("start", "restart", "stop"):
        raise Http404
    supervisor = get_supervisor()
    order = next((each for each in offered(supervisor) if each.name == name), None)
    if order is None:
        messages.warning(request, _("This is not possible in the state that the engine is in now."))
        return redirect("admin-engine")
    if request.method == "POST":
        carry_out(order, supervisor, request.user.pk)
        messages.success(request, order.done)
        return redirect("admin-engine")
    context = {"title": order.question, "order": order, "running": get_gate().held}
    return render(request, "admin/inference/engine_order.html", admin.site.each_context(request) | context)


def _may_order(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_superuser


def _facts(supervisor: Supervisor) -> dict[str, object]:
    status, history, gate = supervisor.status, supervisor.history, get_gate()
    return {
        "title": _("Engine"),
        "state": "generating" if status.state == "ready" and gate.held else status.state,
        "state_name": STATE_NAMES[status.state],
        "status": status,
        "since": _moment(status.since),
        "history": history,
        "phases": [(STATE_NAMES[phase.state], phase) for phase in history.phases],
        "ready_since": history.ready_since and _moment(history.ready_since),
        "failed_at": history.failure and _moment(history.failure.at),
        "orders": offered(supervisor),
        "is_remote": supervisor.is_remote,
        "model": model_name(),
        "engine_facts": supervisor.facts,
        "gate": gate,
        "figures": figures_of(async_to_sync(supervisor.metrics)()),
        "web_memory": machine.web_process(),
        "processes": machine.engine_processes(),
        "cards": [] if supervisor.is_remote else machine.graphics_cards(),
        "errors": supervisor.last_errors() or (history.failure.log if history.failure else ()),
        "is_starting": status.state in STARTING,
        "pid": os.getpid(),
        "versions": _versions(),
        "has_others": bool(settings.REDIS_URL),
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _versions() -> dict[str, str]:
    packages = {name: metadata.version(name) for name in ("Django", "channels", "daphne", "oss-harmony")}
    return {"LocalAI": settings.VERSION, "Python": platform.python_version(), **packages}
