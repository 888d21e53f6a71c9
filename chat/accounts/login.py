"""Logging in: where it leads, what is offered to those who cannot, and the second step of those who have one."""

from __future__ import annotations

import time
from urllib.parse import urlencode, urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from chat.accounts import second_factor, throttle
from chat.accounts.entering import enter
from chat.accounts.guesses import LogInForm, own_tallies, remember_browser

FORM_ADDRESSES = ("chat:conversation-", "chat:message-", "chat:settings-")
"""How the names of those begin that take forms."""

HALF = "half_logged_in"
"""In a session: who has given which password, by which backend, when, and where they want to go."""
HALF_SECONDS = 10 * 60


class LogIn(LoginView):
    redirect_authenticated_user = True
    authentication_form = LogInForm

    def dispatch(self, request: HttpRequest, *args: object, **options: object) -> HttpResponseBase:
        """A fragment that finds the session ended leads the whole page here."""
        if "HX-Request" in request.headers:
            page = urlsplit(request.headers.get("HX-Current-URL", "")).path or "/"
            return HttpResponseClientRedirect(f"{reverse('login')}?{urlencode({'next': page})}")
        return super().dispatch(request, *args, **options)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        address = self.get_success_url()
        if second_factor.is_on(user):
            self.request.session.cycle_key()
            self.request.session[HALF] = [user.pk, user.get_session_auth_hash(), user.backend, time.time(), address]
            return redirect("login-code")
        return _entered(self.request, user, address)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        if form.has_error(NON_FIELD_ERRORS, throttle.CODE):
            response.status_code = 429
        return response

    def get_context_data(self, **context: object) -> dict[str, object]:
        ways = {"allow_signup": settings.ALLOW_SIGNUP, "can_send_email": settings.CAN_SEND_EMAIL}
        return super().get_context_data(**context) | ways

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Where the person was: of an address that takes forms alone, its conversation's page."""
        url = super().get_redirect_url()
        try:
            match = resolve(urlsplit(url).path) if url else None
        except Resolver404:
            return ""
        if match is None or not match.view_name.startswith(FORM_ADDRESSES):
            return url
        if match.view_name.startswith("chat:settings-"):
            return reverse("chat:settings")
        return reverse("chat:conversation", args=[match.kwargs["pk"]]) if match.kwargs else reverse("chat:home")


class CodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code of your app"),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )

    def __init__(self, user: User, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # a form's
        self._user = user

    def clean_code(self) -> str:
        tallies = own_tallies(self._user, "code")
        throttle.take(tallies)
        second_factor.verify(self._user, self.cleaned_data["code"])
        throttle.give_back(tallies)
        return ""


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def login_code(request: HttpRequest) -> HttpResponse:
    """The second step; who waits too long begins again."""
    key, stamp, backend, began, address = request.session.get(HALF) or (None, "", "", 0.0, "")
    user = User.objects.filter(pk=key, is_active=True).first() if key else None
    is_late = not 0 <= time.time() - began < HALF_SECONDS
    if user is None or is_late or not constant_time_compare(stamp, user.get_session_auth_hash()):
        return redirect("login")
    form = CodeForm(user, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        del request.session[HALF]
        user.backend = backend  # as authenticate() sets it
        return _entered(request, user, address)
    return render(request, "registration/login_code.html", {"form": form})


def admin_login(request: HttpRequest) -> HttpResponse:
    """The administrators' pages have no log-in of their own: one door, one set of locks."""
    if second_factor.is_missing(request.user):
        return redirect("two-factor")
    if request.user.is_authenticated and not request.user.is_staff:
        raise PermissionDenied
    address = request.GET.get("next") or reverse("admin:index")
    return redirect(f"{reverse('login')}?{urlencode({'next': address})}")


def _entered(request: HttpRequest, user: User, address: str) -> HttpResponse:
    enter(request, user)
    response = redirect(address)
    remember_browser(response, request, user)
    return response
