"""`manage.py create_api_key`: a key with which a program uses the model in a person's name."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from inference.models import ApiKey
from inference.vocabulary import without_lone_surrogates

DEFAULT_NAME = "Command line"
MAX_NAME_CHARACTERS = 80
MAX_DAYS = 3650


class Command(BaseCommand):
    help = "Create an API key. It is the last line of standard output, and is shown only this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the name with which the person logs in")
        parser.add_argument("--name", default=DEFAULT_NAME, help=f"what the key is for (default: {DEFAULT_NAME})")
        parser.add_argument("--expires-in-days", metavar="N", help=f"1 to {MAX_DAYS}; without it, it never expires")

    def handle(self, *args: object, **options: object) -> None:
        name = _name(str(options["name"]))
        expires_at = _expiry(options["expires_in_days"])
        try:
            user = _user(str(options["user"]))
            key, secret = ApiKey.issue(user, name, expires_at)
        except ValidationError as error:  # too many of them
            raise CommandError(error.messages[0]) from error
        except DatabaseError as error:  # not there, or not prepared
            raise CommandError(f"The database cannot be used ({error}). Run: manage.py migrate") from error
        until = f"expires {timezone.localtime(expires_at):%Y-%m-%d %H:%M}" if expires_at else "never expires"
        told = f"“{key.name}”, a key of {user.get_username()}, {until}. It is not shown again:"
        self.stderr.write(told, style_func=str)  # no error, so not in red
        self.stdout.write(secret)


def _user(name: str) -> User:
    user = get_user_model().objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no user {name!r}.")
    if not user.is_active:
        raise CommandError(f"The user {name!r} is not active, so a key would be refused.")
    return user


def _name(text: str) -> str:
    name = " ".join(without_lone_surrogates(text).replace("\0", "").split())
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise CommandError(f"--name must have 1 to {MAX_NAME_CHARACTERS} characters, not {len(name)}.")
    return name


def _expiry(days: object) -> datetime | None:
    if days is None:
        return None
    text = str(days)
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= MAX_DAYS:
        raise CommandError(f"--expires-in-days is {text!r}; it must be a whole number from 1 to {MAX_DAYS}.")
    return timezone.now() + timedelta(days=number)
