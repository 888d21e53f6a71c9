"""The site's addresses, and two views whose authors forgot whom they let in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from chat.models import Conversation


def everything(request: HttpRequest, pk: str = "") -> HttpResponse:
    return HttpResponse("\n".join(str(conversation) for conversation in Conversation.objects.all()))


urlpatterns = [
    path("admin/everything/", everything),
    path("c/<uuid:pk>/summary/", everything),
    path("", include("localai_site.urls")),
]
