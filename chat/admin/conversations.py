"""The administrators' review: conversations with their messages, thinking included, read-only."""

from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from chat.models import Conversation, Feedback, Message

EXCERPT_CHARACTERS = 80


class ReadOnly:
    """What was said is evidence: nobody adds to it or changes it here."""

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class PartOfConversation(ReadOnly):
    """Whole conversations may be deleted, with all that is in them; a part alone would tear it."""

    model: type[models.Model]

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        match = request.resolver_match
        is_alone = match is not None and str(match.url_name).startswith(f"chat_{self.model._meta.model_name}_")
        return not is_alone and super().has_delete_permission(request, obj)  # type: ignore[misc]


class MessageInline(ReadOnly, admin.StackedInline):  # type: ignore[type-arg]  # not generic at run time
    model = Message
    fields = ("role", "thinking", "text", "status", "error", "rating", "effort", "model", "created_at")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return Message.objects.without_token_ids().select_related("feedback")

    @admin.display(description=_("Feedback"))
    def rating(self, message: Message) -> str | None:
        given = message.given_feedback
        return " · ".join(filter(None, [given.get_rating_display(), given.note])) if given else None


@admin.register(Conversation)
class ConversationAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("__str__", "owner", "message_count", "updated_at")
    list_filter = ("updated_at", "effort", "messages__status", "owner")
    search_fields = ("title", "messages__text", "messages__thinking", "owner__username")
    date_hierarchy = "updated_at"
    fields = ("title", "owner", "effort", "created_at", "updated_at")
    inlines = (MessageInline,)
    list_select_related = ("owner",)
    view_on_site = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return Conversation.objects.started().annotate(message_count=Count("messages", distinct=True))

    @admin.display(ordering="message_count", description=_("messages"))
    def message_count(self, conversation: Conversation) -> int:
        return int(getattr(conversation, "message_count", 0))


@admin.register(Message)
class MessageAdmin(PartOfConversation, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("__str__", "conversation", "status", "effort", "model", "created_at")
    list_filter = ("role", "status", "effort", "model", "created_at")
    search_fields = ("text", "thinking", "conversation__title")
    list_select_related = ("conversation",)
    exclude = ("token_ids", "prompt_token_ids")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return Message.objects.without_token_ids()


@admin.register(Feedback)
class FeedbackAdmin(PartOfConversation, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "rating",
        "note_excerpt",
        "person",
        "conversation_link",
        "prompt_excerpt",
        "answer_excerpt",
        "updated_on",
    )
    list_filter = ("rating", "updated_at", "message__model")
    search_fields = ("note", "message__text", "message__parent__text", "message__conversation__owner__username")
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
        kept = super().get_queryset(request).select_related("message__conversation__owner", "message__parent")
        heavy = ("token_ids", "prompt_token_ids", "html")
        return kept.defer(*(f"{message}__{name}" for message in ("message", "message__parent") for name in heavy))

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
        return render_to_string("admin/chat/conversation_link.html", {"conversation": feedback.message.conversation})

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
