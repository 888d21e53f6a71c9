"""Errors that no view has told of: a page for people, JSON for programs."""

from __future__ import annotations

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views import defaults

from inference.api.errors import SERVER, ApiError
from localai_site.programs import API


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What the exception quotes stays in the log."""
    status, code = 400, "bad_request"
    text = _("The browser sent something that this site does not take. Go back, reload the page and try again.")
    if isinstance(exception, DisallowedHost):
        text = _("The site is not known by this name. Whoever runs it can add the name to ALLOWED_HOSTS.")
    if isinstance(exception, RequestDataTooBig):
        status, code = 413, "request_too_large"
        text = _("This is more than the site takes at once. Go back, copy what you wrote, and send less of it.")
    if request.path_info.startswith(API):
        return ApiError(status, text, code=code).response()
    return render(None, "400.html", {"text": text}, status=status)


def broken(request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith(API):
        message = "The server made a mistake; its log tells more."
        return ApiError(500, message, code="internal_error", type=SERVER).response()
    return defaults.server_error(request)
