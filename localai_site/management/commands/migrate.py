"""`manage.py migrate`: Django's own, after a backup of what it is about to change."""

from __future__ import annotations

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import DatabaseError, connection

from localai_site.operations import attempt
from localai_site.operations.backup import Occasion, make_automatic_backup
from localai_site.operations.database import database_file
from localai_site.operations.errors import OperationError
from localai_site.operations.occupancy import alone
from localai_site.operations.schema import Schema, read_schema
from localai_site.operations.sqlite import keep_private


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--no-backup", action="store_true", help="do not make a backup first")

    def execute(self, *args: str, **options: object) -> str | None:
        file = database_file()
        if file:  # before Django's checks, which make it
            keep_private(file)
        return super().execute(*args, **options)

    def handle(self, *args: str, **options: object) -> None:
        is_change = not (options["plan"] or options["check_unapplied"]) and self._prepare(options)
        super().handle(*args, **options)
        if is_change:
            attempt.finish()

    def _prepare(self, options: dict[str, object]) -> bool:
        """Whether something will be changed; then it is backed up. Raises CommandError: then nothing is."""
        try:
            schema = read_schema()
            is_change = _is_change(schema, options)
            if is_change:
                self._warn_of_servers()
            if is_change and not options.get("no_backup"):
                self._back_up(schema)
        except OperationError as error:
            raise CommandError(f"Nothing was migrated: {error} (--no-backup does without.)") from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from error
        return is_change

    def _warn_of_servers(self) -> None:
        with alone() as is_alone:
            if not is_alone:
                self.stderr.write("A server uses this database: restart it as soon as this is done.")

    def _back_up(self, schema: Schema) -> None:
        path = make_automatic_backup(Occasion.MIGRATION, schema.missing)
        attempt.begin(path)
        self.stdout.write(f"Backed up the database to {path} before it is migrated.")


def _is_change(schema: Schema, options: dict[str, object]) -> bool:
    """Whether something that is kept may be changed: an empty database, or one in memory, has nothing."""
    is_kept = connection.vendor != "sqlite" or database_file() is not None
    return is_kept and bool(schema.applied) and bool(schema.missing or options["app_label"])
