"""Messages and feedback on their own, each with its way to the whole conversation."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from chat.admin.evidence import PartOfConversation
from chat.admin.filters import ModelFilter, UpdatedFilter
from chat.models import Feedback, Look, Message
from chat.review import audit
from chat.search import index
from chat.search.phrases import Phrase

EXCERPT_CHARACTERS = 80


@admin.register(Message)
class MessageAdmin(PartOfConversation):
    list_display = ("__str__", "conversation", "status", "effort", "model", "created_at")
    list_filter = ("role", "status", "effort", "created_at")
    list_select_related = ("conversation",)
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        kept = Message.objects.filter(conversation__deleted_at=None)
        return kept.without_token_ids().defer("text", "thinking", "html")

    def found(self, phrases: list[Phrase]) -> Q:
        return Q(pk__in=index.messages_everywhere(phrases))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        message: Message | None = self.get_object(request, unquote(object_id))
        if message is None:
            raise Http404
        address = reverse("admin:chat_conversation_change", args=[message.conversation_id])
        return redirect(f"{address}?through={message.pk}&from={message.parent_id or message.pk}#message-{message.pk}")


@admin.register(Feedback)
class FeedbackAdmin(PartOfConversation):
    list_display = (
        "rating",
        "note_excerpt",
        "person",
        "conversation_link",
        "prompt_excerpt",
        "answer_excerpt",
        "updated_on",
    )
    list_filter = ("rating", ("updated_at", UpdatedFilter), ModelFilter)
    fields = (
        "rating",
        "note",
        "person",
        "conversation_link",
        "prompt",
        "thinking",
        "answer",
        "created_at",
        "updated_at",
    )
    readonly_fields = fields
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        kept = super().get_queryset(request).filter(message__conversation__deleted_at=None)
        heavy = ("token_ids", "prompt_token_ids", "html")
        loaded = kept.select_related("message__conversation__owner", "message__parent")
        return loaded.defer(*(f"{message}__{name}" for message in ("message", "message__parent") for name in heavy))

    def found(self, phrases: list[Phrase]) -> Q:
        """In what was asked, thought and answered, and, of all words together, in notes and names."""
        said = index.messages_everywhere(phrases)
        words = " ".join(word for phrase in phrases for word in phrase.words)
        beside = Q(note__icontains=words) | Q(message__conversation__owner__username__icontains=words)
        return beside | Q(message__in=said) | Q(message__parent__in=said)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        shown = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        if shown and request.method != "POST":
            audit.record(request.user, Look.READ, shown.message.conversation)
        return super().change_view(request, object_id, form_url, extra_context)

    @admin.display(description=_("updated"), ordering="updated_at")
    def updated_on(self, feedback: Feedback) -> str:
        return date_format(timezone.localdate(feedback.updated_at), "SHORT_DATE_FORMAT")

    @admin.display(description=_("note"), ordering="note")
    def note_excerpt(self, feedback: Feedback) -> str:
        return _excerpt(feedback.note)

    @admin.display(description=_("person"), ordering="message__conversation__owner__username")
    def person(self, feedback: Feedback) -> str:
        return str(feedback.message.conversation.owner)

    @admin.display(description=_("conversation"), ordering="message__conversation__title")
    def conversation_link(self, feedback: Feedback) -> str:
        return render_to_string("admin/chat/conversation_link.html", {"answer": feedback.message})

    @admin.display(description=_("prompt"))
    def prompt_excerpt(self, feedback: Feedback) -> str:
        return _excerpt(self.prompt(feedback))

    @admin.display(description=_("answer"))
    def answer_excerpt(self, feedback: Feedback) -> str:
        return _excerpt(feedback.message.text)

    @admin.display(description=_("prompt"))
    def prompt(self, feedback: Feedback) -> str:
        prompt = feedback.message.parent
        return prompt.text if prompt else ""

    @admin.display(description=_("thinking"))
    def thinking(self, feedback: Feedback) -> str:
        return feedback.message.thinking

    @admin.display(description=_("answer"))
    def answer(self, feedback: Feedback) -> str:
        return feedback.message.text


def _excerpt(text: str) -> str:
    return Truncator(" ".join(text.split())).chars(EXCERPT_CHARACTERS)
