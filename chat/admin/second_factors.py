"""Whom the administrators' pages let in, and through which door; no pages about the keys of second factors."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from chat.accounts import second_factor
from chat.accounts.login import admin_login

admin.site.unregister([StaticDevice, TOTPDevice])  # whoever reads a key can log in with it

_has_permission = admin.site.has_permission


def has_permission(request: HttpRequest) -> bool:
    return _has_permission(request) and not second_factor.is_missing(request.user)


admin.site.has_permission = has_permission  # type: ignore[method-assign]
admin.site.login = admin_login  # type: ignore[method-assign,assignment]
