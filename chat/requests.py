"""A logged-in person's request: its type, and what its address may say."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from chat.models import Preferences


class UserRequest(HttpRequest):
    user: User
    htmx: HtmxDetails
    preferences: Preferences


def key_of(text: str) -> int | None:
    """A message's key as an address has it; None for anything else."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text, re.ASCII) else None
