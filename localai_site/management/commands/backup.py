"""`manage.py backup PATH`: everything in one file, while the site runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.template.defaultfilters import filesizeformat

from localai_site.operations.backup import make_backup
from localai_site.operations.errors import OperationError


class Command(BaseCommand):
    help = "Write the whole database to one file, consistent though the site runs, and check that file."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="the file to write, or a folder, which gets a dated one")
        parser.add_argument("--force", action="store_true", help="replace a file that exists")

    def handle(self, *args: object, **options: object) -> None:
        try:
            path = make_backup(Path(str(options["path"])), replace=bool(options["force"]))
        except OperationError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from error
        size = filesizeformat(path.stat().st_size).replace("\N{NO-BREAK SPACE}", " ")
        self.stdout.write(f"{path} ({size})")
