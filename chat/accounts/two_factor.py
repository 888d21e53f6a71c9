"""The page on which a person sets the second factor up, makes new recovery codes, and turns it off."""

from __future__ import annotations

from io import BytesIO

import segno
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods
from django_otp.plugins.otp_totp.models import TOTPDevice

from chat.accounts import second_factor, throttle
from chat.accounts.guesses import PasswordForm, own_tallies
from chat.requests import UserRequest

PICTURE_PIXELS = 6
"""The side of a module."""


class ConfirmForm(PasswordForm):
    """Makes the recovery codes; they are in `codes` then.

    It asks for the password, too: who finds a screen that was left must not lock its person out.
    """

    code = forms.CharField(
        label=gettext_lazy("The six digits that the app shows"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    field_order = ("code", "password")

    def __init__(self, user: User, *arguments: object) -> None:
        super().__init__(user, *arguments)
        self.codes: list[str] = []

    def clean(self) -> None:
        """The code is looked at, and used up, with the right password alone."""
        if self.errors:
            return
        tallies = own_tallies(self.user, "code")
        try:
            throttle.take(tallies)
            self.codes = second_factor.confirm(self.user, self.cleaned_data["code"])
        except forms.ValidationError as error:
            self.add_error("code", error)
        else:
            throttle.give_back(tallies)


@never_cache  # it shows secrets
@login_required
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "POST"])
def two_factor(request: UserRequest) -> HttpResponse:
    user = User.objects.get(pk=request.user.pk)
    if request.method == "GET":
        return _page(request, user)
    if second_factor.is_on(user):
        return _change(request, user)
    if request.POST.get("do") == "begin":
        second_factor.begun(user)
        return redirect("two-factor")
    form = ConfirmForm(user, request.POST)
    return _page(request, user, codes=form.codes) if form.is_valid() else _page(request, user, form=form)


@never_cache
@login_required
@require_GET
def picture(request: UserRequest) -> HttpResponse:
    """What the app reads: a QR code as SVG."""
    device = TOTPDevice.objects.filter(user_id=request.user.pk, confirmed=False).first()
    if device is None:
        raise Http404
    svg = BytesIO()
    segno.make(device.config_url, error="m").save(svg, kind="svg", scale=PICTURE_PIXELS, light="#fff", dark="#000")
    return HttpResponse(svg.getvalue(), content_type="image/svg+xml")


def _change(request: UserRequest, user: User) -> HttpResponse:
    form = PasswordForm(user, request.POST)
    if not form.is_valid():
        return _page(request, user, form=form)
    if request.POST.get("do") == "codes":
        return _page(request, user, codes=second_factor.new_recovery_codes(user))
    second_factor.remove(user)
    messages.success(request, _("Two-factor log-in is off."))
    return redirect("chat:settings")


def _page(
    request: UserRequest, user: User, form: forms.Form | None = None, codes: list[str] | None = None
) -> HttpResponse:
    is_on = second_factor.is_on(user)
    device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    context = {
        "is_on": is_on,
        "is_demanded": second_factor.is_missing(user),
        "secret": second_factor.secret_of(device) if device and not is_on else "",
        "codes": codes,
        "codes_left": second_factor.recovery_codes_left(user),
        "form": form or (PasswordForm(user) if is_on else ConfirmForm(user)),
    }
    return render(request, "registration/two_factor.html", context)
