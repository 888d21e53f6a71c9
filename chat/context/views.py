"""What the model was told for an answer; how full its context will be with the next prompt."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST

from chat.context.told import account
from chat.context.upcoming import upcoming
from chat.forms import DraftForm
from chat.models import Conversation, Message, Role, TokenIdsField
from chat.requests import UserRequest
from inference.harmony import visible_prompt


@login_required
@require_GET
def told(request: UserRequest, pk: UUID, message: int) -> HttpResponse:
    """The panel below an answer, or a page with it."""
    shown = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    answer = get_object_or_404(shown.messages.select_related("parent"), pk=message, role=Role.ASSISTANT)
    template = "chat/fragments/told.html" if request.htmx else "chat/told.html"
    return render(request, template, {"conversation": shown, "account": account(answer), "message": answer})


@login_required
@require_GET
def prompt_text(request: UserRequest, pk: UUID, message: int) -> HttpResponse:
    """The whole of it as plain text, however long."""
    shown = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    answer: Message = get_object_or_404(shown.messages, pk=message, role=Role.ASSISTANT)
    text = visible_prompt(TokenIdsField.unpack(answer.prompt_token_ids))
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_POST
def meter(request: UserRequest, pk: UUID) -> HttpResponse:
    """With the prompt as far as it is written; also moves the line in the conversation.

    Asked by scripts alone: who is logged out meanwhile is not led to the log-in page in mid-sentence.
    """
    shown = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    shown.usual = request.preferences
    form = DraftForm(request.POST)
    if not form.is_valid():
        return render(request, "chat/fragments/meter.html", {"error": form.error_text()})
    draft = form.cleaned_data
    context = upcoming(shown, draft["prompt"], edits=draft["edits"], effort=draft["effort"])
    return render(request, "chat/fragments/meter_and_line.html", {"upcoming": context})
