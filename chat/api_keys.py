"""The page of a person's API keys: create one, see it once, revoke it."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from chat import preferences
from chat.fields import cleaned_text
from chat.requests import UserRequest
from inference.models import ApiKey

Issued = tuple[ApiKey, str]


class KeyForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("What uses the key, such as “Editor on the laptop”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires"),
        choices=[
            ("", gettext_lazy("Never")),
            ("30", gettext_lazy("In 30 days")),
            ("90", gettext_lazy("In 90 days")),
            ("365", gettext_lazy("In 365 days")),
        ],
        coerce=int,
        empty_value=None,
        required=False,
    )

    def __init__(self, data: object = None) -> None:
        super().__init__(data, auto_id="api-key-%s")  # type: ignore[arg-type]

    def clean_name(self) -> str:
        return " ".join(cleaned_text(self.cleaned_data["name"]).split())

    def issue(self, request: UserRequest) -> Issued | None:
        """A new key and its secret; None, with the errors in the form, where it is refused."""
        if not self.is_valid():
            return None
        days = self.cleaned_data["days"]
        expires_at = timezone.now() + timedelta(days=days) if days else None
        try:
            return ApiKey.issue(request.user, self.cleaned_data["name"], expires_at)
        except ValidationError as error:  # too many of them
            self.add_error(None, error)
            return None


@login_required
@never_cache  # a page that shows a secret is kept nowhere
@require_http_methods(["GET", "POST"])
def api_keys(request: UserRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, KeyForm())
    form = KeyForm(request.POST)
    issued = form.issue(request)
    form.fields["name"].widget.attrs["autofocus"] = True  # where it is refused
    return _page(request, KeyForm() if issued else form, issued)


@login_required
@never_cache
@require_POST
def revoke(request: UserRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(ApiKey.objects.for_user(request.user), pk=pk)
    key.revoke()
    messages.success(request, _("The key “%(name)s” is revoked.") % {"name": key.name})
    if request.htmx:
        return _page(request, KeyForm())
    return redirect(reverse("chat:api-keys") + _query(request))


def _page(request: UserRequest, form: KeyForm, issued: Issued | None = None) -> HttpResponse:
    """The whole page, or for htmx what changes of it."""
    key, secret = issued or (None, "")
    context = {
        "form": form,
        "keys": ApiKey.objects.for_user(request.user).unrevoked(),
        "issued": key,
        "secret": secret,
        "base_url": request.build_absolute_uri("/v1"),
        "settings_address": preferences.address(request),
        "query": _query(request),
    }
    template = "chat/fragments/api_keys.html" if request.htmx else "chat/api_keys.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _query(request: UserRequest) -> str:
    """What keeps the way back to the conversation from which the person came."""
    return preferences.address(request).removeprefix(reverse("chat:settings"))
