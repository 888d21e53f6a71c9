"""Logging in: where it leads, and what is offered to those who cannot."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve, reverse
from django_htmx.http import HttpResponseClientRedirect

FORM_ADDRESSES = ("chat:conversation-", "chat:message-", "chat:settings-")
"""How the names of those begin that take forms."""


class LogIn(LoginView):
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: object, **options: object) -> HttpResponseBase:
        """A fragment that finds the session ended leads the whole page here."""
        if "HX-Request" in request.headers:
            page = urlsplit(request.headers.get("HX-Current-URL", "")).path or "/"
            return HttpResponseClientRedirect(f"{reverse('login')}?{urlencode({'next': page})}")
        return super().dispatch(request, *args, **options)

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
