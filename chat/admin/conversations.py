"""The list of everybody's conversations; its rows lead to the pages of `chat.admin.reading`."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from chat.admin import exports, reading
from chat.admin.evidence import Evidence, EvidenceList
from chat.admin.filters import (
    AnyOutcomeFilter,
    EffortFilter,
    FeedbackFilter,
    FlagFilter,
    OutcomeFilter,
    OwnerFilter,
    UpdatedFilter,
)
from chat.models import Conversation, Look, Role
from chat.review import audit, export, summary
from chat.search import index
from chat.search.phrases import Phrase

HEAVY = tuple(f"leaf__{name}" for name in ("text", "thinking", "html", "token_ids", "prompt_token_ids"))


class ConversationList(EvidenceList):
    def get_results(self, request: HttpRequest) -> None:
        """What is shown of each comes for the whole page at once."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        summary.attach(self.result_list)


@admin.register(Conversation)
class ConversationAdmin(Evidence):
    list_display = ("__str__", "person", "updated_on", "messages", "tokens", "last_outcome", "feedback", "flag")
    list_filter = (
        OwnerFilter,
        ("updated_at", UpdatedFilter),
        EffortFilter,
        OutcomeFilter,
        AnyOutcomeFilter,
        FeedbackFilter,
        FlagFilter,
    )
    actions = ("export_harmony", "export_chat")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    list_select_related = ("owner", "leaf", "review")
    view_on_site = False

    def get_changelist(self, request: HttpRequest, **options: object) -> type[ConversationList]:
        return ConversationList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return Conversation.objects.kept().started().defer(*HEAVY)

    def found(self, phrases: list[Phrase]) -> Q:
        return Q(pk__in=index.conversations_everywhere(phrases))

    # Columns

    @admin.display(description=_("person"), ordering="owner__username")
    def person(self, conversation: Conversation) -> str:
        return str(conversation.owner)

    @admin.display(description=_("messages"))
    def messages(self, conversation: Conversation) -> str:
        return number_format(summary.of(conversation).messages)

    @admin.display(description=_("tokens"))
    def tokens(self, conversation: Conversation) -> str:
        return number_format(summary.of(conversation).tokens, force_grouping=True)

    @admin.display(description=_("last outcome"))
    def last_outcome(self, conversation: Conversation) -> str:
        leaf = conversation.leaf
        return str(leaf.get_status_display()) if leaf and leaf.role == Role.ASSISTANT else ""

    @admin.display(description=_("feedback"))
    def feedback(self, conversation: Conversation) -> str:
        given = summary.of(conversation)
        thumbs = (f"+{given.good}" if given.good else "", f"−{given.bad}" if given.bad else "")
        return " ".join(filter(None, thumbs))

    @admin.display(description=_("flag"), ordering="review__flag")
    def flag(self, conversation: Conversation) -> str:
        review = conversation._state.fields_cache.get("review")
        return str(review.get_flag_display()) if review else ""

    @admin.display(description=_("updated"), ordering="updated_at")
    def updated_on(self, conversation: Conversation) -> str:
        return date_format(timezone.localtime(conversation.updated_at), "SHORT_DATETIME_FORMAT")

    # Reading

    def get_urls(self) -> list[URLPattern]:
        note, flag = self.admin_site.admin_view(self.note_view), self.admin_site.admin_view(self.flag_view)
        return [
            path("<uuid:pk>/note/", require_POST(note), name="chat_conversation_note"),
            path("<uuid:pk>/flag/", require_POST(flag), name="chat_conversation_flag"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        if request.method == "POST":
            raise PermissionDenied
        conversation = self._wanted(request, unquote(object_id))
        return reading.page(request, conversation, self._frame(request, conversation))

    def note_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        conversation = self._wanted(request, str(pk))
        return reading.add_note(request, conversation, self._frame(request, conversation))

    def flag_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return reading.set_flag(request, self._wanted(request, str(pk)))

    def _wanted(self, request: HttpRequest, pk: str) -> Conversation:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found: Conversation | None = self.get_object(request, pk)
        if found is None:
            raise Http404
        return found

    def _frame(self, request: HttpRequest, conversation: Conversation) -> reading.Frame:
        """Neighbours are those on the same page of the list that was left for it."""
        listed = copy(request)
        listed.GET = QueryDict(request.GET.get(reading.FILTERS, ""))
        try:
            keys = [each.pk for each in self.get_changelist_instance(listed).result_list]
        except IncorrectLookupParameters:
            keys = []
        place = keys.index(conversation.pk) if conversation.pk in keys else len(keys)
        return reading.Frame(
            previous=keys[place - 1] if 0 < place < len(keys) else None,
            next=keys[place + 1] if place + 1 < len(keys) else None,
            may_delete=self.has_delete_permission(request, conversation),
        )

    # Export

    @admin.action(description=_("Export the selected conversations in Harmony form (JSONL)"), permissions=["view"])
    def export_harmony(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> StreamingHttpResponse:
        return exports.response(request, queryset, "harmony", export.harmony_record)

    @admin.action(description=_("Export the selected conversations as chat messages (JSONL)"), permissions=["view"])
    def export_chat(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> StreamingHttpResponse:
        return exports.response(request, queryset, "chat", export.chat_record)

    # Deleting

    def get_deleted_objects(
        self, objs: QuerySet[Conversation] | Sequence[Conversation], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Asking whether to delete them shows their titles."""
        if not request.POST.get("post"):
            audit.record_keys(request.user, Look.LISTED, [each.pk for each in objs])
        return super().get_deleted_objects(objs, request)

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Conversation) -> None:
        audit.record(request.user, Look.DELETED, obj)
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        keys = list(queryset.values_list("pk", flat=True))
        audit.record_keys(request.user, Look.DELETED, keys)
        super().delete_queryset(request, Conversation.objects.filter(pk__in=keys))
