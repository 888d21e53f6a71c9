"""What a person does with the list of conversations: look further, rename, pin, archive, delete, bring back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBadRequest
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from chat import broadcast, sidebar, trash
from chat.forms import RenameForm
from chat.models import Conversation
from chat.requests import UserRequest

logger = logging.getLogger(__name__)

MARKS: Mapping[str, Mapping[str, bool]] = {
    "pin": {"is_pinned": True},
    "unpin": {"is_pinned": False},
    "archive": {"is_archived": True, "is_pinned": False},
    "unarchive": {"is_archived": False},
}


@login_required
@require_GET
def older(request: UserRequest, place: str) -> HttpResponse:
    """The list below a place: its next piece, or without a script a page of its own."""
    start = sidebar.Place.read(place)
    if start is None:
        raise Http404
    if request.htmx:
        context = sidebar.older_context(request.user, start, _current(request))
        return render(request, "chat/fragments/sidebar_older.html", context)
    return _list(request, {"shown": sidebar.page(sidebar.unpinned(request.user), start)})


@login_required
@require_GET
def archived(request: UserRequest) -> HttpResponse:
    start = sidebar.Place.read(request.GET.get("below", ""))
    return _list(request, {"shown": sidebar.page(sidebar.archived(request.user), start), "is_archive": True})


def _list(request: UserRequest, context: dict[str, object]) -> HttpResponse:
    return render(request, "chat/history.html", sidebar.context(request.user, None) | context)


@login_required
@require_GET
def item(request: UserRequest, pk: UUID) -> HttpResponse:
    """Its line in the list."""
    shown = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    return _item(request, shown)


@login_required
@require_http_methods(["GET", "POST"])
def rename(request: UserRequest, pk: UUID) -> HttpResponse:
    """The line with a field for the title; then the line with the new one."""
    renamed = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    form = RenameForm(request.POST or None, instance=renamed)
    if request.method == "POST" and form.is_valid():
        form.instance.save(update_fields=["title"])
        return _item(request, renamed) if request.htmx else redirect(renamed)
    renamed.refresh_from_db(fields=["title"])
    context = {"item": renamed, "current": _current(request), "form": form}
    template = "chat/fragments/sidebar_rename.html" if request.htmx else "chat/rename.html"
    return render(request, template, context, status=422 if request.method == "POST" else 200)


@login_required
@require_POST
def mark(request: UserRequest, pk: UUID) -> HttpResponse:
    """Pin or archive it, or no longer."""
    marked = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    name = request.POST.get("mark", "")
    if name not in MARKS:
        text = f"The mark is {name!r}; it must be one of {', '.join(MARKS)}."
        return HttpResponseBadRequest(text, content_type="text/plain; charset=utf-8")
    for field, value in MARKS[name].items():
        setattr(marked, field, value)
    marked.save(update_fields=list(MARKS[name]))
    if not request.htmx:
        return redirect("chat:home") if marked.is_archived else redirect(marked)
    if marked.is_archived:
        done = _("“%(title)s” is in the archive now.") % {"title": marked}
        return _gone(request, marked, done)
    return render(request, "chat/fragments/sidebar.html", sidebar.context(request.user, _current(request)))


@login_required
@require_POST
async def delete(request: UserRequest, pk: UUID) -> HttpResponse:
    """At once for every page, for good when the time for Undo is over; ends the answer that runs in it."""
    user = await request.auser()
    deleted = await trash.of(user).filter(pk=pk).afirst()  # in another window perhaps, just now
    if deleted is None:
        deleted = await aget_object_or_404(Conversation.objects.for_user(user), pk=pk)
        await sync_to_async(trash.put)(deleted)
    await _stop(deleted)
    await broadcast.announce_move(pk)
    if not request.htmx:
        return redirect("chat:home")
    if pk == _current_pk(request):
        return HttpResponseClientRedirect("/")
    return await sync_to_async(_gone)(request, deleted)


async def _stop(conversation: Conversation) -> None:
    async for message in conversation.messages.streaming():
        try:
            await broadcast.stop(message.pk)
        except Exception:  # the channel layer's fault: the answer ends by itself
            logger.exception("The answer of a deleted conversation could not be stopped.")


@login_required
@require_POST
def restore(request: UserRequest, pk: UUID) -> HttpResponse:
    """Undo a deletion."""
    restored = trash.restore(request.user, pk)
    if restored is None:
        raise Http404
    if not request.htmx:
        return redirect(restored)
    context = sidebar.context(request.user, _current(request))
    return render(request, "chat/fragments/sidebar_restored.html", context | {"restored": restored})


@login_required
@require_GET
def notice(request: UserRequest) -> HttpResponse:
    """What can still be brought back."""
    trash.expunge()
    return render(request, "chat/fragments/notice.html", {"waiting": trash.waiting(request.user)})


def _item(request: UserRequest, shown: Conversation) -> HttpResponse:
    context = {"item": shown, "current": _current(request)}
    return render(request, "chat/fragments/sidebar_item.html", context)


def _gone(request: UserRequest, gone: Conversation, done: str = "") -> HttpResponse:
    """In place of its line: nothing; and the notice of what was done."""
    is_current = gone.pk == _current_pk(request)
    context = {"item": gone, "is_current": is_current, "done": done, "waiting": trash.waiting(request.user)}
    return render(request, "chat/fragments/sidebar_gone.html", context)


def _current(request: UserRequest) -> Conversation | None:
    pk = _current_pk(request)
    return Conversation.objects.for_user(request.user).filter(pk=pk).first() if pk else None


def _current_pk(request: UserRequest) -> UUID | None:
    """The conversation that the asking page shows, from its address."""
    parts = (request.htmx.current_url_abs_path or "").strip("/").split("/")
    try:
        return UUID(parts[1]) if parts[0] == "c" else None
    except (IndexError, ValueError):
        return None
