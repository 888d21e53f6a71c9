"""Logging in, and making one's own account where ALLOW_SIGNUP says so."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.contrib.messages.views import SuccessMessageMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse, reverse_lazy
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

FORM_ADDRESSES = ("chat:conversation-", "chat:message-", "chat:settings-")
"""How the names of those begin that take forms."""


class LogIn(LoginView):
    redirect_authenticated_user = True
    extra_context = {"allow_signup": settings.ALLOW_SIGNUP}

    def dispatch(self, request: HttpRequest, *args: object, **options: object) -> HttpResponseBase:
        """A fragment that finds the session ended leads the whole page here."""
        if "HX-Request" in request.headers:
            page = urlsplit(request.headers.get("HX-Current-URL", "")).path or "/"
            return HttpResponseClientRedirect(f"{reverse('login')}?{urlencode({'next': page})}")
        return super().dispatch(request, *args, **options)

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


class ChangePassword(SuccessMessageMixin, PasswordChangeView):  # type: ignore[type-arg]  # not generic at run time
    template_name = "registration/change_password.html"
    success_url = reverse_lazy("chat:settings")
    success_message = gettext_lazy("Your password is changed.")


class SignupForm(UserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = User
        fields = ("username",)


@require_http_methods(["GET", "POST"])
def signup(request: HttpRequest) -> HttpResponse:
    if not settings.ALLOW_SIGNUP:
        raise Http404
    form = SignupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.save())
        return redirect("chat:home")
    return render(request, "registration/signup.html", {"form": form})
