"""PostgreSQL: its own tools dump and restore it; both while it runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from localai_site.operations.errors import OperationError

INSTALL = "Install PostgreSQL's client tools (on Debian and Ubuntu: apt-get install postgresql-client)."


class PostgreSQL:
    """The database on a server, as the settings name it."""

    kind = "postgresql"
    is_compressed = True

    def dump(self, to: Path) -> None:
        """One transaction of the server's: consistent, and nobody waits for it. Raises OperationError."""
        self._check_version()
        _run(["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={to}"])

    def load(self, content: Path) -> None:
        """Replace all tables in one transaction: wholly, or not at all. Raises OperationError.

        pg_restore alone could not drop a table that a newer one, unknown to the dump, refers to.
        """
        self._check_version()
        script = content.with_suffix(".sql")
        restore = ["pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges"]
        _run([*restore, f"--file={script}", str(content)])
        once = ["psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
        _run([*once, "--command", _drop_tables(), f"--file={script}"])

    def occupants(self) -> str:
        """Who else is connected; a server that does nothing is not."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            (others,) = cursor.fetchone()
        return f"{others} other connections to the database are open" if others else ""

    def _check_version(self) -> None:
        server = connection.cursor().connection.info.server_version // 10_000
        found = re.search(r"(\d+)", _run(["pg_dump", "--version"]))
        tools = int(found[1]) if found else 0
        if tools < server:
            raise OperationError(f"pg_dump is of version {tools}, too old for the server's {server}. {INSTALL}")


def _drop_tables() -> str:
    with connection.cursor() as cursor:
        names = [connection.ops.quote_name(name) for name in connection.introspection.table_names(cursor)]
    return (
        f"SET client_min_messages = warning; DROP TABLE IF EXISTS {', '.join(names)} CASCADE" if names else "SELECT 1"
    )


def _run(command: list[str]) -> str:
    """Returns what it wrote; raises OperationError with its last error."""
    program = shutil.which(command[0])
    if program is None:
        raise OperationError(f"{command[0]} is not found. {INSTALL}")
    done = subprocess.run(
        [program, *command[1:]], env=os.environ | _address(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise OperationError(f"{command[0]} failed: {reason}")
    return done.stdout


def _address() -> dict[str, str]:
    """Where and as whom to connect, in the variables that all of PostgreSQL's tools read."""
    settings = connection.settings_dict
    _, options = DatabaseClient.settings_to_cmd_args_env(settings, [])
    names = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "NAME": "PGDATABASE"}
    values = {variable: str(settings[name]) for name, variable in names.items() if settings[name]}
    return {**values, **(options or {})}
