"""The limits of guessing somebody's password, made so that no stranger can keep a person out.

- One name from one address: few. Other addresses are not touched by it.
- One address, whatever the names: more, for a family or an office may share it.
- One name from everywhere, against many addresses that guess together: it does not count for browsers in which the
  person has logged in before. They have a cookie that says so, which nobody can forge.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.accounts import throttle
from chat.accounts.throttle import HOUR_SECONDS, Limit, Tally

NAME_AND_ADDRESS = Limit("name-and-address", 5, HOUR_SECONDS // 4)
ADDRESS = Limit("address", 300, HOUR_SECONDS)
NAME = Limit("name", 100, HOUR_SECONDS)
OWN = Limit("own-password", 10, HOUR_SECONDS // 4)
"""Of somebody who is logged in: it could be anybody at a screen that was left."""

COOKIE = "known_browser"
COOKIE_SECONDS = 365 * 24 * HOUR_SECONDS


class LogInForm(AuthenticationForm):
    """Its answer, and how long that takes, is the same for an unknown name and for a wrong password."""

    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": gettext_lazy("That name and password do not match. Both are case-sensitive.")
    }

    def clean(self) -> dict[str, object]:
        name = self.cleaned_data.get("username")
        tallies = _tallies(self.request, name) if self.request and name else []
        throttle.take(tallies)
        cleaned = super().clean()
        throttle.give_back(tallies)
        return cleaned


class ChangePasswordForm(PasswordChangeForm):
    def clean_old_password(self) -> str:
        tallies = own_tallies(self.user)
        throttle.take(tallies)
        old = super().clean_old_password()
        throttle.give_back(tallies)
        return old


class PasswordForm(forms.Form):
    """Asks somebody who is logged in for their password, before something that matters."""

    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, user: User, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # a form's
        self.user = user

    def clean_password(self) -> None:
        check_own_password(self.user, self.cleaned_data["password"])


def check_own_password(user: User, password: str) -> None:
    """Raises forms.ValidationError."""
    tallies = own_tallies(user)
    throttle.take(tallies)
    if not user.check_password(password):
        raise forms.ValidationError(_("That is not your password."))
    throttle.give_back(tallies)


def own_tallies(user: User, what: str = "password") -> list[Tally]:
    return [OWN.of(what, str(user.pk))]


def remember_browser(response: HttpResponseBase, request: HttpRequest, user: User) -> None:
    """That this person has logged in here; it says nothing else, and lets nobody in."""
    response.set_signed_cookie(
        COOKIE,
        str(user.pk),
        salt=COOKIE,
        max_age=COOKIE_SECONDS,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
        path="/accounts/",
    )


def _tallies(request: HttpRequest, name: str) -> Sequence[Tally]:
    name = unicodedata.normalize("NFKC", name).casefold()
    address = throttle.address_of(request)
    tallies = [NAME_AND_ADDRESS.of(name, address), ADDRESS.of(address)]
    return tallies if _is_known(request, name) else [*tallies, NAME.of(name)]


def _is_known(request: HttpRequest, name: str) -> bool:
    try:
        user = request.get_signed_cookie(COOKIE, "", salt=COOKIE, max_age=COOKIE_SECONDS)
    except signing.BadSignature:
        return False
    return user in {str(person.pk) for person in User.objects.filter(username__iexact=name)}
