"""People's accounts, in place of Django's own pages: nobody gives, or takes over, more than they may do themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.forms import ModelForm, ModelMultipleChoiceField
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from chat.accounts.authority import confirm, grantable_groups, may_manage
from chat.accounts.passwords import new_password_link
from chat.models import Conversation, Message
from inference.admin.limits import DailyLimitsInline
from inference.models import ApiKey, UsageRecord

if TYPE_CHECKING:
    from django.contrib.admin.options import _FieldsetSpec

SUPERUSERS_ALONE = ("is_superuser", "user_permissions")
"""What only they see and give."""

OF_ONESELF = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")
"""What nobody changes of their own account: it could lock them out, or the last superuser."""

admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]  # not generic at run time
    change_form_template = "admin/auth/user/change_form.html"
    list_display = (
        "username",
        "is_active",
        "is_staff",
        "group_names",
        "last_seen",
        "conversation_count",
        "generations_today",
    )
    list_filter = ("is_active", "is_staff", "groups")
    readonly_fields = ("last_login", "date_joined")
    actions = ("disable", "enable", "make_new_password_links")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        conversations = _count(Conversation.objects.started().filter(owner=OuterRef("pk")), "owner")
        generations = _count(UsageRecord.objects.filter(user=OuterRef("pk"), day=timezone.localdate()), "user")
        people: QuerySet[User] = super().get_queryset(request).prefetch_related("groups")
        return people.annotate(conversations_kept=conversations, generated_today=generations)

    @admin.display(description=_("groups"))
    def group_names(self, person: User) -> str:
        return ", ".join(group.name for group in person.groups.all())

    @admin.display(description=_("last log-in"), ordering="last_login")
    def last_seen(self, person: User) -> str:
        if person.last_login is None:
            return gettext("never")
        return date_format(timezone.localtime(person.last_login), "SHORT_DATE_FORMAT")

    @admin.display(description=_("conversations"), ordering="conversations_kept")
    def conversation_count(self, person: User) -> int:
        return int(getattr(person, "conversations_kept", 0))

    @admin.display(description=_("generations today"), ordering="generated_today")
    def generations_today(self, person: User) -> int:
        return int(getattr(person, "generated_today", 0))

    # Who may

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or may_manage(_actor(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """With an account all its conversations go."""
        return _actor(request).is_superuser and obj != request.user

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """No list of superusers by an address that is typed in."""
        is_theirs = _actor(request).is_superuser or not lookup.startswith(SUPERUSERS_ALONE)
        return is_theirs and super().lookup_allowed(lookup, value, request)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> _FieldsetSpec:
        hidden = () if _actor(request).is_superuser else SUPERUSERS_ALONE
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in hidden]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_inlines(self, request: HttpRequest, obj: User | None) -> tuple[type[DailyLimitsInline], ...]:
        return (DailyLimitsInline,) if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        own = OF_ONESELF if obj is not None and obj == request.user else ()
        return [*super().get_readonly_fields(request, obj), *own]

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField[models.Model, models.Model], request: HttpRequest, **options: object
    ) -> ModelMultipleChoiceField[models.Model] | None:
        if db_field.name == "groups":
            options["queryset"] = grantable_groups(_actor(request))
        return super().formfield_for_manytomany(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:
        confirm(_actor(request))
        super().save_model(request, obj, form, change)

    # Disabling

    @admin.action(description=_("Disable: log out everywhere, at once"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        changed = self._set_active(request, queryset, is_active=False)
        text = ngettext("%(count)d account is disabled.", "%(count)d accounts are disabled.", changed)
        self.message_user(request, text % {"count": changed}, messages.SUCCESS)

    @admin.action(description=_("Enable"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        changed = self._set_active(request, queryset, is_active=True)
        text = ngettext("%(count)d account is enabled.", "%(count)d accounts are enabled.", changed)
        self.message_user(request, text % {"count": changed}, messages.SUCCESS)

    @transaction.atomic
    def _set_active(self, request: HttpRequest, queryset: QuerySet[User], *, is_active: bool) -> int:
        confirm(_actor(request))
        people = [person for person in self._manageable(request, queryset) if person.is_active is not is_active]
        for person in people:
            person.is_active = is_active
            person.save(update_fields=["is_active"])
            self.log_change(request, person, [{"changed": {"fields": [gettext("active")]}}])
        return len(people)

    def _manageable(self, request: HttpRequest, queryset: QuerySet[User]) -> list[User]:
        """Those of others about whom this person may decide; says so where some are left out."""
        chosen = list(queryset)
        people = [person for person in chosen if person != request.user and may_manage(_actor(request), person)]
        if len(people) < len(chosen):
            text = _("Left out: your own account, and those of people who may do more than you.")
            self.message_user(request, text, messages.WARNING)
        return people

    # Links for new passwords

    @admin.action(description=_("Make links for new passwords"), permissions=["change"])
    def make_new_password_links(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        people = [person for person in self._manageable(request, queryset) if person.is_active]
        return self._links_page(request, people) if people else None

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.new_password_link)
        return [path("<id>/link/", view, name="auth_user_new_password_link"), *super().get_urls()]

    def new_password_link(self, request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002  # as Django's own views
        person = self.get_object(request, unquote(id))
        if person is None:
            raise Http404
        if not self._may_make_link(request, person):
            raise PermissionDenied
        people = [person] if request.method == "POST" else []
        return self._links_page(request, people, original=person)

    def _may_make_link(self, request: HttpRequest, person: User) -> bool:
        return self.has_change_permission(request, person) and person.is_active and person != request.user

    def _links_page(self, request: HttpRequest, people: Sequence[User], **context: object) -> HttpResponse:
        for person in people:
            self.log_change(request, person, gettext("Made a link for a new password."))
        frame = self.admin_site.each_context(request) | {"title": _("Links for new passwords"), "opts": self.opts}
        links = [(person, new_password_link(request, person)) for person in people]
        return TemplateResponse(request, "admin/auth/user/new_password_links.html", frame | {"links": links} | context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        person = self.get_object(request, unquote(object_id))
        context = {"may_make_link": person is not None and self._may_make_link(request, person)}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    # Deleting

    def get_deleted_objects(
        self, objs: QuerySet[User] | Sequence[User], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Figures in place of a list of every message."""
        people = list(objs)
        is_refused = any(not self.has_delete_permission(request, person) for person in people)
        counts = {
            _("users"): len(people),
            _("conversations"): Conversation.objects.filter(owner__in=people).count(),
            _("messages"): Message.objects.filter(conversation__owner__in=people).count(),
            _("API keys"): ApiKey.objects.filter(user__in=people).count(),
        }
        refused = {str(self.opts.verbose_name)} if is_refused else set()
        return [str(person) for person in people], {str(name): count for name, count in counts.items()}, refused, []


def _count(rows: QuerySet[Conversation] | QuerySet[UsageRecord], by: str) -> Coalesce:
    counted = rows.order_by().values(by).annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), 0)


def _actor(request: HttpRequest) -> User:
    """The administrator: the pages are for people who are logged in."""
    return cast(User, request.user)
