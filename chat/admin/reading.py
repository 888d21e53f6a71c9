"""One conversation to read: the page with its versions, the reviewers' notes and its flag."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from chat.models import Conversation, Look, Message, Review, ReviewNote
from chat.requests import key_of
from chat.review import audit, summary

FILTERS = "_changelist_filters"
"""Django's own: how the list was narrowed from which the page was opened."""


class FlagForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = Review
        fields = ("flag",)


class NoteForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = ReviewNote
        fields = ("text",)
        widgets = {"text": forms.Textarea(attrs={"rows": 4})}


@dataclass(frozen=True, slots=True)
class Frame:
    """What the list knows: the conversations before and after this one, and whether it may be deleted."""

    previous: UUID | None
    next: UUID | None
    may_delete: bool


def page(request: HttpRequest, conversation: Conversation, frame: Frame, note: NoteForm | None = None) -> HttpResponse:
    """The part that the address asks for, else the end of what its owner sees; with a note that was refused."""
    audit.record(request.user, Look.READ, conversation)
    through = key_of(request.GET.get("through", ""))
    messages = conversation.version(through, key_of(request.GET.get("from", "")))
    summary.attach([conversation])
    context = {
        "conversation": conversation,
        "instructions": conversation.current_instructions(),
        "messages": messages,
        "through": through,
        "filters": request.GET.get(FILTERS, ""),
        "query": request.GET.urlencode(),
        "summary": summary.of(conversation),
        "frame": frame,
        "notes": conversation.review_notes.select_related("author"),
        "note_form": note or NoteForm(),
        "flag_form": FlagForm(instance=Review.objects.filter(pk=conversation.pk).first()),
    }
    response = render(request, "admin/chat/reading.html", context, status=422 if note else 200)
    Message.objects.keep_html(messages)
    return response


def add_note(request: HttpRequest, conversation: Conversation, frame: Frame) -> HttpResponse:
    form = NoteForm(request.POST)
    if not form.is_valid():
        return page(request, conversation, frame, form)
    form.instance.conversation, form.instance.author_id = conversation, request.user.pk
    with transaction.atomic():
        audit.record(request.user, Look.NOTED, conversation)
        form.save()
    return _back(request, conversation)


def set_flag(request: HttpRequest, conversation: Conversation) -> HttpResponse:
    review = Review.objects.filter(pk=conversation.pk).first() or Review(conversation=conversation)
    form = FlagForm(request.POST, instance=review)
    if form.is_valid():
        with transaction.atomic():
            audit.record(request.user, Look.FLAGGED, conversation, detail=form.cleaned_data["flag"])
            form.save()
    return _back(request, conversation)


def _back(request: HttpRequest, conversation: Conversation) -> HttpResponseRedirect:
    """To the same part of it."""
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    return HttpResponseRedirect(f"{reverse('admin:chat_conversation_change', args=[conversation.pk])}{query}#review")
