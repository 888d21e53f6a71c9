"""The pages, and what a page can ask for without a socket."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from chat import actions, fragments, recovery, replies, sidebar, trash
from chat.actions import RefusedError
from chat.context.upcoming import upcoming
from chat.conversation_settings import ConversationSettingsForm
from chat.forms import ActionForm, PromptForm, max_prompt_characters
from chat.models import Conversation, EffortChoice, Message, Role
from chat.orders import AlreadySavedError
from chat.requests import UserRequest, key_of


@login_required
@require_GET
def home(request: UserRequest) -> HttpResponse:
    """The newest conversation, or a new one."""
    newest = Conversation.objects.for_user(request.user).started().filter(is_archived=False).recent().first()
    return redirect(newest or Conversation.objects.blank_for(request.user))


@login_required
@require_POST
def new(request: UserRequest) -> HttpResponse:
    return redirect(Conversation.objects.blank_for(request.user))


@login_required
@require_GET
def conversation(request: UserRequest, pk: UUID) -> HttpResponse:
    shown = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    first = key_of(request.GET.get("from", ""))
    if first and (passage := shown.passage(first)):
        return _passage(request, shown, passage)
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
    if form.cleaned_data["action"] == "version":
        message = form.cleaned_data["message"]
        return redirect(f"{shown.get_absolute_url()}?from={message}#message-{message}")
    return redirect(shown)


async def _refused(request: UserRequest, shown: Conversation, refused: RefusedError) -> HttpResponse:
    if refused.status == 404:
        raise Http404
    response = await sync_to_async(_page)(request, shown, str(refused), refused.status)
    if refused.retry_after_seconds is not None:
        response["Retry-After"] = str(refused.retry_after_seconds)
    return response


def _passage(request: UserRequest, shown: Conversation, messages: list[Message]) -> HttpResponse:
    """A part far from the end, to read: what follows live is there."""
    context = {"conversation": shown, "messages": messages, "last": messages[-1]}
    response = render(request, "chat/passage.html", context | sidebar.context(request.user, shown))
    Message.objects.keep_html(messages)
    return response


def _page(request: UserRequest, shown: Conversation, alert: str = "", status: int = 200) -> HttpResponse:
    recovery.mark_abandoned()
    trash.expunge()
    shown.usual = request.preferences
    path = shown.page(key_of(request.GET.get("from", "")))
    edited = _edited(request, shown)
    draft = request.POST.get("prompt", edited.text if edited else "")
    context = {
        "conversation": shown,
        "messages": path,
        "running": path[-1] if path and path[-1].is_streaming else None,
        "seen": fragments.state_of(path),
        "samples": fragments.samples(),
        "efforts": EffortChoice.choices,
        "text": alert,
        "is_error": True,
        "prompt_text": draft,
        "upcoming": upcoming(shown, draft[: max_prompt_characters()], edits=edited.pk if edited else None),
        "effort": request.POST.get("effort") or shown.current_effort(),
        "edits": edited.pk if edited else "",
        "key": request.POST.get("key") or fragments.new_key(),
        "is_staff": request.user.is_staff,
        "settings_form": ConversationSettingsForm(shown, request.preferences),
    }
    context |= sidebar.context(request.user, shown) | fragments.engine_context()
    response = render(request, "chat/conversation.html", context, status=status)
    Message.objects.keep_html(path)
    return response


def _edited(request: UserRequest, shown: Conversation) -> Message | None:
    """The prompt that the composer is to edit: as a link asks, or a refused form had it."""
    wanted = key_of(request.GET.get("edit") or request.POST.get("edits") or "")
    return shown.messages.filter(pk=wanted, role=Role.USER).first() if wanted else None
