"""`manage.py prune`: what is old goes; what people want to keep is pinned."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from localai_site.operations.retention import due


def days(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 100_000:
        raise ArgumentTypeError("it must be a number of days, 1 or more")
    return int(text)


class Command(BaseCommand):
    help = (
        "Delete what is no longer needed: expired sessions, stored API responses beyond their 30 days, invitations "
        "that were used or expired 30 days ago, empty conversations; and, if asked, old conversations and usage "
        "records. The audit log is never shortened. Runs beside the site."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--conversations",
            type=days,
            metavar="DAYS",
            help="those without news for so long, archived ones too; pinned ones stay",
        )
        parser.add_argument("--usage", type=days, metavar="DAYS", help="usage records older than that")
        parser.add_argument("--dry-run", action="store_true", help="tell the numbers, delete nothing")
        parser.add_argument(
            "--compact", action="store_true", help="give the space back to the disk (SQLite; others wait meanwhile)"
        )

    def handle(self, *args: object, **options: object) -> None:
        try:
            self._prune(options)
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from error

    def _prune(self, options: dict[str, object]) -> None:
        is_dry = bool(options["dry_run"])
        for rule in due(_number(options["conversations"]), _number(options["usage"])):
            count = rule.rows.count() if is_dry else rule.delete()
            self.stdout.write(f"{count:>8,} {rule.what}{' would go' if is_dry else ''}")
        self.stdout.write("The audit log is kept as it is.")
        if options["compact"] and not is_dry and connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM")


def _number(option: object) -> int | None:
    return None if option is None else int(str(option))
