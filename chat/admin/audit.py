"""The audit log, for those who may see it: nobody adds to it, changes it or deletes from it, superusers included."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from chat.admin.filters import ActorFilter, LookedAtFilter
from chat.models import AuditEntry, Look


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("moment", "actor_name", "look", "owner_name", "conversation_link", "detail")
    list_filter = (ActorFilter, "look", LookedAtFilter, "created_at")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    fields = ("moment", "actor_name", "look", "owner_name", "conversation_key", "detail")
    actions = None
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    view_on_site = False

    class Media:
        css = {"all": ["admin-lists.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description=_("time"), ordering="created_at")
    def moment(self, entry: AuditEntry) -> str:
        """To the second."""
        local = timezone.localtime(entry.created_at)
        return f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S}"

    @admin.display(description=_("conversation"))
    def conversation_link(self, entry: AuditEntry) -> str:
        if entry.conversation_key is None:
            return ""
        is_gone = entry.look == Look.DELETED
        return render_to_string("admin/chat/audit_link.html", {"key": entry.conversation_key, "is_gone": is_gone})
