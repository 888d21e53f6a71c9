"""By what the lists of the review can be narrowed, besides fields of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from django.contrib.admin import DateFieldListFilter, ModelAdmin, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db.models import Field, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.models import AuditEntry, Conversation, EffortChoice, Feedback, Flag, Message, Role, Status
from chat.models.feedback import Rating

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

OFFERED_NAMES = 200
NONE = "none"

Conversations = QuerySet[Conversation]
Lookups = Sequence[tuple[str, "_StrOrPromise"]]


class NameFilter(SimpleListFilter):
    """A field to write a name into: a list of thousands of people could not be read."""

    template = "admin/chat/name_filter.html"
    field: str

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Model]) -> Lookups:
        return [(name, name) for name in self.names()]

    def names(self) -> Iterable[str]:
        return User.objects.order_by("username").values_list("username", flat=True)[:OFFERED_NAMES]

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: ChangeList) -> Iterator[Mapping[str, object]]:  # type: ignore[override]
        """One, the form; with what the list is narrowed by besides."""
        others = changelist.filter_params.items()
        kept = [(name, value) for name, values in others if name != self.parameter_name for value in values]
        if changelist.query:
            kept.append(("q", changelist.query))
        everybody = changelist.get_query_string(remove=[str(self.parameter_name)])
        yield {"kept": kept, "name": self.value() or "", "everybody": everybody}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


class OwnerFilter(NameFilter):
    title, parameter_name, field = _("person"), "person", "owner__username"


class ActorFilter(NameFilter):
    title, parameter_name, field = _("reviewer"), "who", "actor_name"

    def names(self) -> Iterable[str]:
        """Those of few people, gone ones among them."""
        return AuditEntry.objects.order_by("actor_name").values_list("actor_name", flat=True).distinct()[:OFFERED_NAMES]


class LookedAtFilter(NameFilter):
    title, parameter_name, field = _("person"), "whose", "owner_name"


class UpdatedFilter(DateFieldListFilter):
    def __init__(self, field: Field[object, object], *arguments: object, **options: object) -> None:
        super().__init__(field, *arguments, **options)  # type: ignore[arg-type]
        self.title = _("updated")


class OutcomeFilter(SimpleListFilter):
    title, parameter_name = _("outcome of the last answer"), "outcome"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Conversation]) -> Lookups:
        return Status.choices

    def queryset(self, request: HttpRequest, queryset: Conversations) -> Conversations:
        return queryset.filter(leaf__status=self.value(), leaf__role=Role.ASSISTANT) if self.value() else queryset


class AnyOutcomeFilter(SimpleListFilter):
    title, parameter_name = _("outcome of any answer"), "any_outcome"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Conversation]) -> Lookups:
        """Without the one that nearly all have."""
        return [choice for choice in Status.choices if choice[0] != Status.COMPLETE]

    def queryset(self, request: HttpRequest, queryset: Conversations) -> Conversations:
        if not self.value():
            return queryset
        return queryset.filter(pk__in=Message.objects.filter(status=self.value()).order_by().values("conversation"))


class EffortFilter(SimpleListFilter):
    """Of the conversation, which takes over each answer's."""

    title, parameter_name = _("effort of the last answer"), "effort"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Conversation]) -> Lookups:
        return EffortChoice.choices

    def queryset(self, request: HttpRequest, queryset: Conversations) -> Conversations:
        return queryset.filter(effort=self.value()) if self.value() else queryset


class FeedbackFilter(SimpleListFilter):
    title, parameter_name = _("feedback"), "feedback"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Conversation]) -> Lookups:
        return [("good", Rating.GOOD.label), ("bad", Rating.BAD.label), ("note", _("With a note")), (NONE, _("None"))]

    def queryset(self, request: HttpRequest, queryset: Conversations) -> Conversations:
        rated = Feedback.objects.values("message__conversation")
        wanted = {
            "good": Q(pk__in=rated.filter(rating=Rating.GOOD)),
            "bad": Q(pk__in=rated.filter(rating=Rating.BAD)),
            "note": Q(pk__in=rated.exclude(note="")),
            NONE: ~Q(pk__in=rated),
        }
        return queryset.filter(wanted.get(self.value() or "", Q()))


class ModelFilter(SimpleListFilter):
    """Of rated answers: to ask all messages for their models takes long."""

    title, parameter_name = _("model"), "model"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Feedback]) -> Lookups:
        names = Feedback.objects.order_by("message__model").values_list("message__model", flat=True).distinct()
        return [(name, name) for name in names if name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Feedback]) -> QuerySet[Feedback]:
        return queryset.filter(message__model=self.value()) if self.value() else queryset


class FlagFilter(SimpleListFilter):
    title, parameter_name = _("flag"), "flag"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Conversation]) -> Lookups:
        return [*Flag.choices, (NONE, _("None"))]

    def queryset(self, request: HttpRequest, queryset: Conversations) -> Conversations:
        if self.value() == NONE:
            return queryset.filter(Q(review=None) | Q(review__flag=""))
        return queryset.filter(review__flag=self.value()) if self.value() else queryset
