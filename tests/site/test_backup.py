"""A backup is whole though people write meanwhile, and becomes a site again elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from localai_site.operations import archive, backup, restoration
from localai_site.operations.archive import Manifest
from localai_site.operations.backup import KEPT, Occasion, automatic_backups, make_automatic_backup, make_backup
from localai_site.operations.errors import OperationError
from localai_site.operations.restoration import restore_backup
from localai_site.operations.sqlite import SQLite
from tests.conftest import NewSite
from tests.scripted_server import Script, ScriptedServer, harmony, reply
from tests.services import PostgreSQLServer
from tests.site_process import ROOT, SavedAnswer, SiteProcess
from tests.viewer import Person, Viewer

WRITERS = 5
ANSWER = reply("", " ".join(f"word{number}" for number in range(2000)))
END = harmony(" the end.<|return|>")
MANIFEST = Manifest("0.1.0", "sqlite", datetime.now(UTC).isoformat(), ["chat.0001_initial"], [])


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> SQLite:
    """A file with one table in place of the tests' database, which is in memory."""
    database = SQLite(tmp_path / "some.sqlite3")
    with closing(sqlite3.connect(database.path)) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE kept (it); INSERT INTO kept VALUES ('here');")
    for module in (backup, restoration):
        monkeypatch.setattr(module, "current_database", lambda: database)
    settings.BACKUP_FOLDER = tmp_path / "backups"
    return database


@pytest.fixture
def packed(database: SQLite, tmp_path: Path) -> Path:
    """A backup of it, whatever it has to do with migrations."""
    database.dump(tmp_path / "content")
    archive.pack(tmp_path / "content", MANIFEST, tmp_path / "it.localai", is_compressed=False)
    return tmp_path / "it.localai"


async def test_answers_that_are_being_written_go_on_where_the_backup_is_restored(
    new_site: NewSite, script: ScriptedServer, tmp_path: Path
) -> None:
    script.default = Script(ANSWER, seconds_per_token=0.02)
    engine = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": script.url, "MODEL_NAME": "scripted"}
    site = new_site(MAX_CONCURRENT_GENERATIONS=str(WRITERS), **engine).start().wait_ready()
    elsewhere = SiteProcess(tmp_path, **engine)
    try:
        ann = Person(site)
        paths, answers = zip(*[await asked(ann, site) for _ in range(WRITERS)], strict=True)
        await asyncio.gather(*(until_saved(site, answer) for answer in answers))
        before = [site.saved(answer) for answer in answers]
        made = site.manage("backup", str(tmp_path))
        after = [site.saved(answer) for answer in answers]
        refused = site.manage("restore", str(backup_in(tmp_path)), "--no-backup")
    finally:
        site.stop()
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(str(backup_in(tmp_path)))
    assert {answer.status for answer in after} == {"streaming"}
    assert "a server uses the database" in refused.stderr

    restored = elsewhere.manage("restore", str(backup_in(tmp_path)))
    assert restored.returncode == 0, restored.stderr
    kept = [elsewhere.saved(answer) for answer in answers]
    for one, old in zip(kept, before, strict=True):
        assert holds(one, old)
    script.default = Script(END)
    try:
        elsewhere.start().wait_ready()
        assert {elsewhere.saved(answer).status for answer in answers} == {"interrupted"}
        ann = Person(elsewhere)
        async with Viewer(ann, elsewhere, paths[-1]) as viewer:
            await viewer.act("continue")
            await viewer.until(lambda it: it.status == "complete")
        assert elsewhere.saved(answers[-1]).text == f"{kept[-1].text} the end."
    finally:
        elsewhere.stop()


async def asked(person: Person, site: SiteProcess) -> tuple[str, int]:
    """The path of a new conversation, and the key of the answer that is begun there."""
    path = person.new_conversation(site)
    async with Viewer(person, site, path) as viewer:
        await viewer.ask("Write on.")
        await viewer.until(lambda it: bool(it.answer))
        return path, viewer.message


async def until_saved(site: SiteProcess, message: int) -> None:
    async with asyncio.timeout(10):
        while not site.saved(message).text:
            await asyncio.sleep(0.05)


def holds(one: SavedAnswer, other: SavedAnswer) -> bool:
    is_whole = bool(other.text) and one.text.startswith(other.text)
    return is_whole and one.token_ids[: len(other.token_ids)] == other.token_ids


def backup_in(folder: Path) -> Path:
    (path,) = folder.glob("localai-*.localai")
    return path


@pytest.mark.django_db
def test_a_backup_is_one_private_file_that_says_what_it_is(database: SQLite, tmp_path: Path) -> None:
    folder = tmp_path / "to"
    folder.mkdir()
    path = make_backup(folder)
    assert list(folder.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as opened:
        told = json.loads(opened.read("manifest.json"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (told["product"], told["version"], told["database"]) == ("LocalAI", project["version"], "sqlite")
    assert "chat.0001_initial" in told["migrations"]


@pytest.mark.django_db
def test_a_backup_has_what_was_committed_and_nothing_of_what_was_not(database: SQLite, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO kept VALUES ('committed')")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO kept VALUES ('under way')")
        path = make_backup(tmp_path / "it.localai")
        writer.execute("COMMIT")
    archive.unpack(path, tmp_path / "content")
    assert rows(tmp_path / "content") == ["here", "committed"]


@pytest.mark.django_db
@pytest.mark.usefixtures("database")
def test_a_file_that_exists_is_only_replaced_by_force(tmp_path: Path) -> None:
    target = tmp_path / "it.localai"
    target.write_text("mine")
    with pytest.raises(CommandError, match="exists already"):
        call_command("backup", str(target))
    assert target.read_text() == "mine"
    call_command("backup", str(target), force=True)
    archive.read(target)


@pytest.mark.django_db
@pytest.mark.usefixtures("database")
def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"There is no folder .*nowhere; make it first"):
        call_command("backup", str(tmp_path / "nowhere/it.localai"))
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="file cannot be used: Not a directory"):
        call_command("backup", str(tmp_path / "file/it.localai"))


@pytest.mark.django_db
def test_a_full_disk_is_said_and_leaves_nothing(
    database: SQLite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "to"
    folder.mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 100, 0))
    with pytest.raises(OperationError, match=r"0 MiB are free\. Free some space"):
        make_backup(folder)
    monkeypatch.undo()
    with pytest.raises(OperationError, match=r"No space left on device\. Free some space"):
        make_full(folder)
    assert not list(folder.iterdir())


def make_full(folder: Path) -> None:
    with archive.workspace(folder), Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"1")


@pytest.mark.django_db
@pytest.mark.usefixtures("database")
def test_what_a_killed_backup_left_goes_with_the_next_one_a_day_later(tmp_path: Path) -> None:
    old, new = (tmp_path / f".localai-backup-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "content").touch()
    os.utime(old, (0, 0))
    make_backup(tmp_path / "it.localai")
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.django_db
def test_a_damaged_database_is_not_backed_up(database: SQLite, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.executescript(
            "PRAGMA journal_mode=DELETE; PRAGMA writable_schema=1; UPDATE sqlite_master SET rootpage=9"
        )
    with pytest.raises(OperationError, match="Restore the last good backup"):
        make_backup(tmp_path / "it.localai")
    assert not (tmp_path / "it.localai").exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("database")
def test_the_newest_automatic_backups_are_kept_and_only_those(settings: Settings) -> None:
    folder = settings.BACKUP_FOLDER
    folder.mkdir()
    names = [f"before-migration-2020010{day}-000000.localai" for day in range(1, 8)]
    for name in [*names, "before-migration-mine.localai", "before-restore-20200101-000000.localai"]:
        (folder / name).touch()
    made = make_automatic_backup(Occasion.MIGRATION)
    left = sorted(path.name for path in folder.iterdir())
    assert automatic_backups(Occasion.MIGRATION)[0] == made
    assert left == [
        *names[-KEPT + 1 :],
        made.name,
        "before-migration-mine.localai",
        "before-restore-20200101-000000.localai",
    ]


@pytest.mark.django_db
def test_restored_is_what_was_there_and_what_was_there_before_is_kept(database: SQLite, packed: Path) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("UPDATE kept SET it = 'changed'")
        connection.commit()
    database.path.chmod(0o640)
    done = restore_backup(packed)
    assert rows(database.path) == ["here"]
    assert stat.S_IMODE(database.path.stat().st_mode) == 0o640
    assert not list(database.path.parent.glob("some.sqlite3-*"))
    assert done.kept
    archive.unpack(done.kept, packed.with_suffix(".before"))
    assert rows(packed.with_suffix(".before")) == ["changed"]


@pytest.mark.django_db
def test_a_database_that_somebody_has_open_is_not_replaced(database: SQLite, packed: Path) -> None:
    with closing(sqlite3.connect(database.path)) as other:
        other.execute("SELECT * FROM kept").fetchall()
        with pytest.raises(OperationError, match=r"another program has the database open\. Stop LocalAI first"):
            restore_backup(packed)
        restore_backup(packed, force=True)


@pytest.mark.django_db
@pytest.mark.usefixtures("database")
def test_what_is_no_backup_or_a_damaged_one_is_refused(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="is no complete backup of LocalAI: No such file"):
        restore_backup(tmp_path / "none")
    (tmp_path / "text").write_text("Hello")
    with pytest.raises(OperationError, match="is no complete backup of LocalAI: File is not a zip file"):
        restore_backup(tmp_path / "text")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("manifest.json", json.dumps({"product": "Another"}))
    with pytest.raises(OperationError, match="it is one of Another"):
        restore_backup(tmp_path / "other.zip")
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 255
    packed.write_bytes(content)
    with pytest.raises(OperationError, match=r"is damaged|is no complete backup"):
        restore_backup(packed)
    packed.write_bytes(content[: len(content) // 2])
    with pytest.raises(OperationError, match="is no complete backup"):
        restore_backup(packed)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"database": "postgresql"}, "is a backup of postgresql; DATABASE_URL names sqlite"),
        ({"migrations": ["chat.9999_later"]}, r"by a newer LocalAI \(9.0; it has chat.9999_later\)"),
    ],
)
def test_a_backup_that_does_not_fit_is_refused(
    database: SQLite, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    database.dump(tmp_path / "content")
    values = {
        "version": "9.0",
        "database": "sqlite",
        "created_at": MANIFEST.created_at,
        "migrations": [],
        "planned": [],
    }
    archive.pack(tmp_path / "content", Manifest(**(values | changes)), tmp_path / "it.localai", is_compressed=False)  # type: ignore[arg-type]
    with pytest.raises(OperationError, match=reason):
        restore_backup(tmp_path / "it.localai")
    assert rows(database.path) == ["here"]


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        found = [it for (it,) in connection.execute("SELECT it FROM kept")]
        connection.execute("PRAGMA journal_mode=DELETE")
    return found


@pytest.fixture
def postgresql_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteProcess]:
    server = PostgreSQLServer(tmp_path_factory.mktemp("postgresql"))
    server.start()
    folder = tmp_path_factory.mktemp("site")
    try:
        yield SiteProcess(folder, DATABASE_URL=server.url, BACKUP_FOLDER=str(folder / "backups"))
    finally:
        server.stop()


def test_postgresql_goes_back_to_before_a_migration(postgresql_site: SiteProcess) -> None:
    """Also over tables that the backup does not know, and that refer to those it knows."""
    old = managed(postgresql_site, "migrate", "chat", "0004", "-v0")
    assert "Backed up" not in old
    people = "from django.contrib.auth.models import User; print(*User.objects.values_list('username', flat=True))"
    managed(postgresql_site, "shell", "-v0", "-c", f"{people}; User.objects.create_user('ann')")
    assert "Backed up the database" in managed(postgresql_site, "migrate", "-v0")
    managed(postgresql_site, "shell", "-v0", "-c", f"{people}; User.objects.create_user('later')")
    (path,) = (postgresql_site.folder / "backups").glob("before-migration-*")
    assert "LocalAI is newer" in managed(postgresql_site, "restore", str(path))
    assert managed(postgresql_site, "shell", "-v0", "-c", people) == "ann\n"


def managed(site: SiteProcess, *arguments: str) -> str:
    """What the command says; it must succeed."""
    done = site.manage(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout
