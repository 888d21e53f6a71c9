"""For somebody whose phone and recovery codes are lost."""

from __future__ import annotations

from argparse import ArgumentParser

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from chat.accounts import second_factor


class Command(BaseCommand):
    help = (
        "Removes the second factor of an account: until the person sets one up again, the password alone lets them in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")

    def handle(self, *_arguments: object, **options: str) -> None:
        user = User.objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError(f"There is nobody called {options['name']}.")
        if not second_factor.remove(user):
            raise CommandError(f"{user.username} has no second factor.")
        self.stdout.write(f"{user.username} logs in by the password alone now.")
