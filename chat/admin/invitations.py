"""Invitations: made here, shown once, listed with what became of them."""

from __future__ import annotations

import logging
from datetime import timedelta

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from chat.accounts.invitations import link_of, send_letter
from chat.models import Invitation

logger = logging.getLogger(__name__)

USUAL_DAYS, MOST_DAYS = 7, 90


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    days = forms.IntegerField(label=_("Valid for days"), min_value=1, max_value=MOST_DAYS, initial=USUAL_DAYS)

    class Meta:
        model = Invitation
        fields = ("name", "email")

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.fields["email"].help_text = (
            _("The link is sent there. It becomes the account's address.")
            if settings.CAN_SEND_EMAIL
            else _("It becomes the account's address. This site sends no e-mails: give the link yourself.")
        )


@admin.register(Invitation)
class InvitationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ("__str__", "email", "state", "created_by", "expires_at", "used_by")
    list_select_related = ("created_by", "used_by")
    search_fields = ("name", "email", "used_by__username")
    actions = ("revoke",)

    @admin.display(description=_("state"))
    def state(self, invitation: Invitation) -> str:
        return str(invitation.state.label)

    def get_form(
        self, request: HttpRequest, obj: Invitation | None = None, change: bool = False, **options: object
    ) -> type[forms.ModelForm[Invitation]]:
        used = {} if obj else {"form": InvitationForm}
        return super().get_form(request, obj, change, **used, **options)

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "email", "days")
        return ("name", "email", "state", "created_by", "created_at", "expires_at", "revoked_at", "used_by", "used_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Invitation | None = None) -> tuple[str, ...]:
        return self.get_fields(request, obj) if obj else ()

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        one_button = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, (extra_context or {}) | one_button)

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        """What was given away is not changed any more, but it may be revoked."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: Invitation, form: InvitationForm, change: bool) -> None:
        obj.created_by_id = request.user.pk
        obj.expires_at = timezone.now() + timedelta(days=form.cleaned_data["days"])
        obj.draw_secret()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None) -> HttpResponse:
        """The only page that ever shows the link."""
        link = link_of(request, obj)
        context = {
            **self.admin_site.each_context(request),
            "title": _("The invitation is ready"),
            "opts": self.opts,
            "invitation": obj,
            "link": link,
            "is_sent": self._send(obj, link),
        }
        return TemplateResponse(request, "admin/chat/invitation/link.html", context)

    def _send(self, invitation: Invitation, link: str) -> bool | None:
        """Whether the letter is on its way; None where there is none to send."""
        if not settings.CAN_SEND_EMAIL or not invitation.email:
            return None
        try:
            send_letter(invitation, link)
        except OSError:  # the mail server's fault: the link is shown all the same
            logger.exception("Invitation %d could not be sent.", invitation.pk)
            return False
        return True

    @admin.action(description=_("Revoke the selected invitations"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        revoked = queryset.open().update(revoked_at=timezone.now())  # type: ignore[attr-defined]  # its own manager's
        text = ngettext("%(count)d invitation is revoked.", "%(count)d invitations are revoked.", revoked)
        self.message_user(request, text % {"count": revoked}, messages.SUCCESS)
