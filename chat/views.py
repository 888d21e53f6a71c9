"""The pages, and what a page can ask for without a socket."""

from __future__ import annotations

import logging
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect

from chat import actions, broadcast, fragments, recovery, replies
from chat.actions import RefusedError
from chat.forms import ActionForm, PromptForm, RenameForm
from chat.models import Conversation, EffortChoice, Message, Role
from chat.orders import AlreadySavedError
from chat.requests import UserRequest

logger = logging.getLogger(__name__)


@login_required
@require_GET
def home(request: UserRequest) -> HttpResponse:
    """The newest conversation, or a new one."""
    newest = Conversation.objects.for_user(request.user).started().recent().first()
    return redirect(newest or Conversation.objects.blank_for(request.user))


@login_required
@require_POST
def new(request: UserRequest) -> HttpResponse:
    return redirect(Conversation.objects.blank_for(request.user))


@login_required
@require_GET
def conversation(request: UserRequest, pk: UUID) -> HttpResponse:
    shown = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    return _page(request, shown)


@login_required
@require_POST
async def prompt(request: UserRequest, pk: UUID) -> HttpResponse:
    """The form without a socket: the page comes back with the running answer, or with the text kept."""
    shown = await aget_object_or_404(Conversation.objects.for_user(await request.auser()), pk=pk)
    form = PromptForm(request.POST)
    if not form.is_valid():
        return await sync_to_async(_page)(request, shown, form.error_text(), 400)
    try:
        await actions.heed(replies.submit(shown, form.order()))
    except AlreadySavedError:  # the form was sent twice
        return redirect(shown)
    except RefusedError as refused:
        return await _refused(request, shown, refused)
    return redirect(shown)


@login_required
@require_POST
async def act(request: UserRequest, pk: UUID) -> HttpResponse:
    """What the buttons do without a socket."""
    user = await request.auser()
    shown = await aget_object_or_404(Conversation.objects.for_user(user), pk=pk)
    form = ActionForm(request.POST)
    if not form.is_valid():
        return await sync_to_async(_page)(request, shown, form.error_text(), 400)
    try:
        await actions.heed(actions.act(shown, user, form))
    except RefusedError as refused:
        return await _refused(request, shown, refused)
    return redirect(shown)


async def _refused(request: UserRequest, shown: Conversation, refused: RefusedError) -> HttpResponse:
    if refused.status == 404:
        raise Http404
    response = await sync_to_async(_page)(request, shown, str(refused), refused.status)
    if refused.retry_after_seconds is not None:
        response["Retry-After"] = str(refused.retry_after_seconds)
    return response


@login_required
@require_POST
def rename(request: UserRequest, pk: UUID) -> HttpResponse:
    renamed = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    form = RenameForm(request.POST, instance=renamed)
    if form.is_valid():
        form.instance.save(update_fields=["title"])
    if request.htmx:
        return _sidebar(request, status=200 if form.is_valid() else 422)
    return redirect(renamed)


@login_required
@require_POST
async def delete(request: UserRequest, pk: UUID) -> HttpResponse:
    """Also ends the answer that runs in it."""
    deleted = await aget_object_or_404(Conversation.objects.for_user(await request.auser()), pk=pk)
    await _stop(deleted)
    await deleted.adelete()
    await broadcast.announce_move(pk)
    if request.htmx and str(pk) not in (request.htmx.current_url or ""):
        return await sync_to_async(_sidebar)(request)
    return HttpResponseClientRedirect("/") if request.htmx else redirect("chat:home")


async def _stop(conversation: Conversation) -> None:
    async for message in conversation.messages.streaming():
        try:
            await broadcast.stop(message.pk)
        except Exception:  # the channel layer's fault: the answer ends by itself, and is saved nowhere
            logger.exception("The answer of a deleted conversation could not be stopped.")


def _page(request: UserRequest, shown: Conversation, alert: str = "", status: int = 200) -> HttpResponse:
    recovery.mark_abandoned()
    path = shown.path()
    edited = _edited(request, path)
    context = {
        "conversation": shown,
        "messages": path,
        "running": path[-1] if path and path[-1].is_streaming else None,
        "seen": fragments.state_of(path),
        "efforts": EffortChoice.choices,
        "text": alert,
        "is_error": True,
        "prompt_text": request.POST.get("prompt", edited.text if edited else ""),
        "effort": request.POST.get("effort") or shown.current_effort(),
        "edits": edited.pk if edited else "",
        "key": request.POST.get("key") or fragments.new_key(),
        "is_staff": request.user.is_staff,
    }
    context |= fragments.sidebar_context(request.user, shown) | fragments.engine_context()
    return render(request, "chat/conversation.html", context, status=status)


def _edited(request: UserRequest, path: list[Message]) -> Message | None:
    """The prompt that the composer is to edit: as a link asks, or a refused form had it."""
    wanted = request.GET.get("edit") or request.POST.get("edits")
    return next((message for message in path if str(message.pk) == wanted and message.role == Role.USER), None)


def _sidebar(request: UserRequest, status: int = 200) -> HttpResponse:
    current = Conversation.objects.for_user(request.user).filter(pk=_current_pk(request) or UUID(int=0)).first()
    context = fragments.sidebar_context(request.user, current)
    return render(request, "chat/fragments/sidebar.html", context, status=status)


def _current_pk(request: UserRequest) -> UUID | None:
    """The conversation that the asking page shows, from its address."""
    parts = (request.htmx.current_url_abs_path or "").strip("/").split("/")
    try:
        return UUID(parts[1]) if parts[0] == "c" else None
    except (IndexError, ValueError):
        return None
