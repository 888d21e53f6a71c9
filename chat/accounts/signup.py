"""Making one's own account, where ALLOW_SIGNUP says so."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from chat.accounts import throttle
from chat.accounts.entering import enter
from chat.accounts.throttle import HOUR_SECONDS, Limit

ACCOUNTS = Limit("accounts", 100, HOUR_SECONDS)
"""From one address."""


class SignupForm(UserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = User
        fields = ("username",)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def signup(request: HttpRequest) -> HttpResponse:
    if not settings.ALLOW_SIGNUP:
        raise Http404
    form = SignupForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _may_sign_up(request, form):
        enter(request, form.save())
        return redirect("chat:home")
    return render(request, "registration/signup.html", {"form": form})


def _may_sign_up(request: HttpRequest, form: SignupForm) -> bool:
    try:
        throttle.take([ACCOUNTS.of(throttle.address_of(request))])
    except ValidationError as error:
        form.add_error(None, error)
        return False
    return True
