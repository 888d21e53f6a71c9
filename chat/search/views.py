"""The search page; its results alone while somebody types."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chat import sidebar
from chat.requests import UserRequest
from chat.search.hits import HITS, search

SHOWN_QUERY_CHARACTERS = 200


@login_required
@require_GET
def results(request: UserRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()
    hits = search(request.user, query)
    context = {"query": query[:SHOWN_QUERY_CHARACTERS], "hits": hits[:HITS], "has_more": len(hits) > HITS}
    if request.htmx:
        return render(request, "chat/fragments/search_results.html", context)
    context |= sidebar.context(request.user, None) | {"has_results": True}
    return render(request, "chat/search.html", context)
