"""In which language, and in which colours, a person sees the site."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin

from chat.models import Preferences
from chat.requests import UserRequest


class PreferencesMiddleware(MiddlewareMixin):
    """Lets what a person chose win over what their browser asks for, which LocaleMiddleware has done before.

    Also puts the preferences on the request, for pages to be served in the person's colours.
    """

    def process_request(self, request: HttpRequest) -> None:
        preferences = preferences_of(request.user)
        cast(UserRequest, request).preferences = preferences
        if preferences.language:
            translation.activate(preferences.language)
            request.LANGUAGE_CODE = preferences.language


def preferences_of(user: AbstractBaseUser | AnonymousUser) -> Preferences:
    """What the person chose; the site's defaults for one who chose nothing, or is not logged in."""
    chosen = Preferences.objects.filter(pk=user.pk).first() if user.is_authenticated else None
    return chosen or Preferences(pk=user.pk)


def language_of(user: AbstractBaseUser | AnonymousUser, headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The language for what a socket brings; `headers` are its scope's. Asks the database.

    No middleware runs for a socket, and what runs in a task of its own does not inherit a language. Wrap
    whatever makes text for a person in `with translation.override(language_of(user, headers))`: it holds for
    this task, and for what it awaits or starts, until the block ends. Texts of gettext_lazy take the language
    that holds where they are read; all others the one where they are made.
    """
    request = HttpRequest()
    asked = [value for name, value in headers if name.lower() == b"accept-language"]
    request.META["HTTP_ACCEPT_LANGUAGE"] = b",".join(asked).decode("latin-1")
    return preferences_of(user).language or translation.get_language_from_request(request)
