"""What people think of an answer: thumbs up or down, and a note. Administrators read it in `chat.admin`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from chat.forms import error_text
from chat.models import Conversation, Feedback, Message, Role, Status
from chat.models.feedback import Rating
from chat.requests import UserRequest

TAKEN_BACK = 0
NOTE_CHARACTERS = 2000


class FeedbackForm(forms.Form):
    """A button says what it wants, and not "the other way round": pressed twice in two windows it means the same."""

    rating = forms.TypedChoiceField(choices=[*Rating.choices, (TAKEN_BACK, _("No rating"))], coerce=int)
    note = forms.CharField(required=False, strip=False)

    def clean_note(self) -> str | None:
        """None when only a button was pressed: a note that is there stays."""
        if "note" not in self.data:
            return None
        note = str(self.cleaned_data["note"]).replace("\r\n", "\n").strip()
        if len(note) > NOTE_CHARACTERS:
            raise forms.ValidationError(
                gettext("A note has at most %(limit)s characters, this one has %(count)s. Shorten it.")
                % {"limit": _grouped(NOTE_CHARACTERS), "count": _grouped(len(note))}
            )
        return note


def _grouped(number: int) -> str:
    return number_format(number, force_grouping=True)


@login_required
@require_POST
def message_feedback(request: UserRequest, pk: UUID, message: int) -> HttpResponse:
    """Rate an answer that has ended, say more about it, or take that back."""
    conversation = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    answer = get_object_or_404(_ended_answers(conversation), pk=message)
    form = FeedbackForm(request.POST)
    if not form.is_valid():
        context = {"note_error": error_text(form), "note_text": request.POST.get("note", "")}
        return _fragment(request, answer, context, status=422)
    _save(answer, form.cleaned_data["rating"], form.cleaned_data["note"])
    if request.htmx:
        saved = _ended_answers(conversation).get(pk=message)
        return _fragment(request, saved, {"is_noted": form.cleaned_data["note"] is not None})
    return redirect(_place_of(request, answer))


def _ended_answers(conversation: Conversation) -> QuerySet[Message]:
    messages = conversation.messages.without_token_ids().select_related("feedback")
    return messages.filter(role=Role.ASSISTANT).exclude(status=Status.STREAMING)


def _save(answer: Message, rating: int, note: str | None) -> None:
    if rating == TAKEN_BACK:
        Feedback.objects.filter(pk=answer.pk).delete()
        return
    values = {"rating": rating} if note is None else {"rating": rating, "note": note}
    Feedback.objects.update_or_create(values, message=answer)


def _fragment(request: UserRequest, answer: Message, context: Mapping[str, object], status: int = 200) -> HttpResponse:
    return render(request, "chat/fragments/feedback.html", {"message": answer, **context}, status=status)


def _place_of(request: UserRequest, answer: Message) -> str:
    """The page as the person left it, which may have begun further up in a long conversation."""
    first = QueryDict(urlsplit(request.headers.get("Referer", "")).query).get("from", "")
    query = f"?from={first}" if first.isdecimal() else ""
    return f"{answer.conversation.get_absolute_url()}{query}#message-{answer.pk}"
