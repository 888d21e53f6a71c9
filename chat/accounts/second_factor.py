"""The second factor of a log-in: six digits of an app (TOTP, RFC 6238), or a recovery code, which works once.

Optional for everybody; of staff a site may demand it (REQUIRE_TWO_FACTOR_FOR_STAFF).
"""

from __future__ import annotations

import math
from base64 import b32encode

from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from chat.accounts.throttle import too_many

RECOVERY_CODES = 10
NAME = "default"


def is_on(user: AbstractBaseUser) -> bool:
    return bool(TOTPDevice.objects.filter(user_id=user.pk, confirmed=True).exists())


def is_missing(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether the site demands one of this person, who has none."""
    if not isinstance(user, User) or not settings.REQUIRE_TWO_FACTOR_FOR_STAFF:
        return False
    return user.is_staff and not is_on(user)


def begun(user: User) -> TOTPDevice:
    """What is shown to the person's app, until a code of the app confirms it."""
    begun_before = TOTPDevice.objects.filter(user=user, confirmed=False).first()  # two clicks at once each make one
    device: TOTPDevice = begun_before or TOTPDevice.objects.create(user=user, confirmed=False, name=NAME)
    return device


def secret_of(device: TOTPDevice) -> str:
    """For apps that cannot see the picture; in groups of four."""
    text = b32encode(device.bin_key).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def confirm(user: User, code: str) -> list[str]:
    """Return the recovery codes, which are shown once. Raises forms.ValidationError."""
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
        is_right = device is not None and _verified(device, _digits(code))
        if device is not None and is_right:
            device.confirmed = True
            device.save()
            return new_recovery_codes(user)
    raise _wrong()


def new_recovery_codes(user: User) -> list[str]:
    """The older ones are void."""
    with transaction.atomic():
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name=NAME)
        codes = [StaticToken.random_token() for _number in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create([StaticToken(device=device, token=code) for code in codes])
    return codes


def recovery_codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user).count())


def verify(user: User, code: str) -> None:
    """At a log-in. Raises forms.ValidationError."""
    code = _digits(code)
    model = TOTPDevice if code.isdecimal() else StaticDevice
    with transaction.atomic():
        device = model.objects.select_for_update().filter(user=user, confirmed=True).first()
        is_right = device is not None and _verified(device, code)
    if not is_right:
        raise _wrong()


def remove(user: User) -> bool:
    """False where there was none."""
    StaticDevice.objects.filter(user=user).delete()
    return bool(TOTPDevice.objects.filter(user=user).delete()[0])


def _digits(code: str) -> str:
    return "".join(code.split()).lower()


def _verified(device: Device, code: str) -> bool:
    """Each wrong code doubles how long the next one must wait. Raises forms.ValidationError meanwhile."""
    is_allowed, facts = device.verify_is_allowed()
    if not is_allowed:
        raise too_many(math.ceil((facts["locked_until"] - timezone.now()).total_seconds()))
    return bool(device.verify_token(code))


def _wrong() -> forms.ValidationError:
    return forms.ValidationError(_("That code is not right. The app shows another one every 30 seconds."), code="wrong")
