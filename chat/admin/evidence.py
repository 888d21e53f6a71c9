"""What was said is evidence: only reviewers see it, their looks are logged first, and nobody changes it here."""

from __future__ import annotations

from abc import abstractmethod

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse

from chat.models import Look
from chat.review import audit
from chat.search.phrases import Phrase, phrases_of

MAY_REVIEW = "chat.view_conversation"


class EvidenceList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.query:  # the dates would search twice more
            self.date_hierarchy = None


class Evidence(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Read-only, and never shown without a line in the log."""

    list_per_page = 50
    search_fields = ("pk",)  # so that there is a field to search with: the full-text index is asked
    show_facets = admin.ShowFacets.NEVER  # each count would be a search of its own

    class Media:
        css = {"all": ["admin-lists.css"]}

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(MAY_REVIEW) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(MAY_REVIEW) and super().has_delete_permission(request, obj)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what is offered: other fields would be ways to search in texts without the index."""
        offered = {_name_of(each) for each in self.list_filter}
        return any(lookup == name or lookup.startswith(f"{name}__") for name in offered)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:  # titles and excerpts are text, too
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":  # which does something with what was listed before
            look = Look.SEARCHED if request.GET.get("q") else Look.LISTED
            audit.record(request.user, look, detail=" · ".join([str(self.opts.model_name), *_asked(request)]))
        return super().changelist_view(request, extra_context)

    def get_changelist(self, request: HttpRequest, **options: object) -> type[ChangeList]:
        return EvidenceList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        if _is_autocompletion(request):  # Django offers it to everybody who may see the list
            raise PermissionDenied
        if not search_term:
            return queryset, False
        phrases = phrases_of(search_term)
        return (queryset.filter(self.found(phrases)) if phrases else queryset.none()), False

    @abstractmethod
    def found(self, phrases: list[Phrase]) -> Q:
        """The rows in which they are."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """The audit log is its history."""
        raise Http404


class PartOfConversation(Evidence):
    """Whole conversations may be deleted, with all that is in them; a part alone would tear it."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        match = request.resolver_match
        is_alone = match is not None and str(match.url_name).startswith(f"chat_{self.opts.model_name}_")
        return not is_alone and super().has_delete_permission(request, obj)


def _asked(request: HttpRequest) -> list[str]:
    """The address, read aloud."""
    return [value if name == "q" else f"{name}={value}" for name, value in request.GET.dict().items() if value]


def _name_of(offered: object) -> str:
    """A filter's name in addresses: a class has its own, else it is the field."""
    field = offered[0] if isinstance(offered, tuple) else offered
    return str(getattr(field, "parameter_name", field))


def _is_autocompletion(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and match.url_name == "autocomplete"
