"""No server on a database that does not fit its code, and a way back from a migration that was cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from localai_site.operations import archive, attempt
from localai_site.operations.archive import Manifest
from localai_site.operations.errors import OperationError
from localai_site.operations.guard import refuse_unfit_schema, schema_problem
from localai_site.operations.schema import read_schema
from tests.conftest import NewSite
from tests.site_process import ROOT, SiteProcess

SLOW = """
from pathlib import Path
from time import sleep
from django.db import migrations, models

def wait(apps, schema_editor):
    reached = Path(__file__).with_name("reached")
    if not reached.exists():
        reached.touch()
        sleep(600)

class Migration(migrations.Migration):
    atomic = False
    operations = [
        migrations.CreateModel("Half", [("id", models.BigAutoField(primary_key=True))]),
        migrations.RunPython(wait),
    ]
"""


def add_slow_migration(site: SiteProcess, folder: Path) -> Path:
    """The site's next version: with an app whose migration is killed half done. Returns what tells that it is."""
    package = folder / "slow"
    for each in (package, package / "migrations"):
        each.mkdir()
        (each / "__init__.py").touch()
    (package / "migrations/0001_half.py").write_text(SLOW)
    (folder / "later_settings.py").write_text("from localai_site.settings import *\nINSTALLED_APPS.append('slow')\n")
    site.environment |= {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "later_settings"}
    return package / "migrations/reached"


def killed_migration(site: SiteProcess, reached: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=site.environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not reached.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def refused_start(site: SiteProcess) -> str:
    """What a server says that ends instead of serving."""
    command = [sys.executable, "-m", "daphne", "-p", str(site.port), "localai_site.asgi:application"]
    done = subprocess.run(
        command, cwd=ROOT, env=site.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_killed_migration_is_told_at_the_next_start_and_can_be_undone(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site(ENGINE="vllm-server", VLLM_SERVER_URL="http://127.0.0.1:9")
    killed_migration(site, add_slow_migration(site, tmp_path))
    (backup,) = (site.folder / "backups").glob("before-migration-*.localai")

    told = refused_start(site)
    assert told.startswith("LocalAI cannot start: a migration of the database was begun at ")
    assert "not finished (slow.0001_half). Run `python manage.py migrate` again" in told
    assert f"`python manage.py restore {backup}`" in told

    again = site.manage("migrate", "-v0")
    assert "already exists" in again.stderr

    restored = site.manage("restore", str(backup))
    assert "run `python manage.py migrate` next" in restored.stdout, restored.stderr
    assert site.manage("migrate", "-v0").returncode == 0
    try:
        site.start()
    finally:
        site.stop()


@pytest.fixture
def backups(settings: Settings, tmp_path: Path) -> Path:
    settings.BACKUP_FOLDER = tmp_path
    return tmp_path


def pack(path: Path, migrations: list[str], planned: list[str]) -> Path:
    content = path.with_suffix(".content")
    content.touch()
    manifest = Manifest("0.1.0", "sqlite", "2026-01-02T03:04:05+00:00", migrations, planned)
    archive.pack(content, manifest, path, is_compressed=False)
    return path


@pytest.mark.django_db
@pytest.mark.usefixtures("backups")
def test_a_database_that_fits_is_served() -> None:
    assert schema_problem() == ""
    refuse_unfit_schema()


@pytest.mark.django_db
def test_a_database_that_is_not_migrated_is_refused(backups: Path) -> None:
    MigrationRecorder.Migration.objects.filter(app="chat", name="0002_key_and_run").delete()
    with pytest.raises(
        OperationError, match=r"the database lacks chat\.0002_key_and_run\. Run `python manage.py migrate`;"
    ):
        refuse_unfit_schema()


@pytest.mark.django_db
def test_a_newer_database_is_refused_with_the_way_back(backups: Path) -> None:
    before = read_schema().applied
    MigrationRecorder(connection).record_applied("chat", "9998_later")
    MigrationRecorder(connection).record_applied("chat", "9999_latest")
    MigrationRecorder(connection).record_applied("gone", "0001_of_an_app_that_was_removed")
    assert schema_problem().endswith(
        "(it has chat.9998_later, chat.9999_latest). Install the newer one again, or restore a backup from before."
    )
    fitting = pack(backups / "before-migration-20260102-030405.localai", before, ["chat.9998_later"])
    pack(backups / "before-migration-20260103-030405.localai", [*before, "chat.9998_later"], ["chat.9999_latest"])
    assert f"go back to 2026-01-02 03:04 UTC with `python manage.py restore {fitting}`" in schema_problem()


@pytest.mark.django_db
def test_the_first_backup_is_the_one_to_go_back_to_until_the_migration_is_finished(backups: Path) -> None:
    MigrationRecorder.Migration.objects.filter(app="chat", name="0002_key_and_run").delete()
    first, second = (pack(backups / f"before-migration-2026010{day}-030405.localai", [], []) for day in (2, 3))
    attempt.begin(first)
    attempt.begin(second)
    assert f"restore {first}`" in schema_problem()
    MigrationRecorder(connection).record_applied("chat", "0002_key_and_run")
    refuse_unfit_schema()
    assert attempt.begun() is None


@pytest.mark.django_db
def test_nothing_to_migrate_makes_no_backup(backups: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("migrate", verbosity=0)
    call_command("migrate", plan=True, verbosity=0)
    assert not list(backups.iterdir())
    assert "Backed up" not in capsys.readouterr().out
