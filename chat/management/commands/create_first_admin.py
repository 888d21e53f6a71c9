"""`manage.py create_first_admin`: the account with which a fresh site is entered."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils.crypto import get_random_string

USERNAME = "admin"
PASSWORD_CHARACTERS = 16
LEGIBLE = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without l, o, 0 and 1, which are easily mistaken when the password is typed from paper."""

ANNOUNCEMENT = """
    ┌──────────────────────────────────────────────┐
    │  Sign in with                                │
    │      name      {name:<30}│
    │      password  {password:<30}│
    │  The password is shown only this once.       │
    └──────────────────────────────────────────────┘
"""


class Command(BaseCommand):
    help = "Create the administrator `admin` and print its password, if there is no user at all."

    def handle(self, *args: object, **options: object) -> None:
        password = get_random_string(PASSWORD_CHARACTERS, LEGIBLE)
        if create_first_admin(password):
            self.stdout.write(ANNOUNCEMENT.format(name=USERNAME, password=password))


def create_first_admin(password: str) -> bool:
    """Whether the administrator was made: False where somebody has an account."""
    users = get_user_model().objects
    with transaction.atomic():
        if users.exists():
            return False
        users.create_superuser(USERNAME, password=password)
    return True
