"""The administrators' review: conversations with their messages, thinking included, read-only."""

from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from chat.models import Conversation, Message


class ReadOnly:
    """What was said is evidence: nobody adds to it or changes it here."""

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class MessageInline(ReadOnly, admin.StackedInline):  # type: ignore[type-arg]  # not generic at run time
    model = Message
    fields = ("role", "thinking", "text", "status", "error", "effort", "model", "created_at")
    readonly_fields = fields
    extra = 0
    can_delete = False


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

    @admin.display(ordering="message_count", description="messages")
    def message_count(self, conversation: Conversation) -> int:
        return int(getattr(conversation, "message_count", 0))


@admin.register(Message)
class MessageAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("__str__", "conversation", "status", "effort", "model", "created_at")
    list_filter = ("role", "status", "effort", "model", "created_at")
    search_fields = ("text", "thinking", "conversation__title")
    list_select_related = ("conversation",)
    exclude = ("token_ids", "prompt_token_ids")

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Whole conversations may be deleted, with their messages; a message alone would tear its tree."""
        match = request.resolver_match
        is_alone = match is not None and str(match.url_name).startswith("chat_message_")
        return not is_alone and super().has_delete_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return Message.objects.without_token_ids()
