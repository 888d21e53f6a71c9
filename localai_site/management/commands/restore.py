"""`manage.py restore PATH`: a backup becomes the database again."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from localai_site.operations.errors import OperationError
from localai_site.operations.restoration import Restored, restore_backup
from localai_site.operations.schema import listed


class Command(BaseCommand):
    help = "Replace the whole database by a backup; what is there is backed up first. Stop LocalAI before."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="a file that `backup` or `migrate` made")
        parser.add_argument(
            "--force", action="store_true", help="though the database is in use, or the backup is of a newer LocalAI"
        )
        parser.add_argument("--no-backup", action="store_true", help="do not keep what is there")

    def handle(self, *args: object, **options: object) -> None:
        path = Path(str(options["path"]))
        try:
            restored = restore_backup(path, force=bool(options["force"]), keep=not options["no_backup"])
        except OperationError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from error
        self._tell(path, restored)

    def _tell(self, path: Path, restored: Restored) -> None:
        manifest = restored.manifest
        self.stdout.write(f"Restored {path}, made at {manifest.when} by LocalAI {manifest.version}.")
        if restored.kept:
            self.stdout.write(f"What was there before is in {restored.kept}.")
        if restored.missing:
            self.stdout.write(
                f"This LocalAI is newer ({listed(restored.missing)}): run `python manage.py migrate` next."
            )
        else:
            self.stdout.write("LocalAI can be started.")
