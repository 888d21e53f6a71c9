"""What the doctor finds on machines of all kinds; it starts nothing, and tells no secret."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from inference.engines.parent_watch import VARIABLE
from localai_site.doctor import configuration, engine, examination, hardware, services, software, storage
from localai_site.doctor.finding import Finding, Level, ok, problem, warning
from tests.scripted_server import ScriptedServer
from tests.services import RedisServer
from tests.site_process import free_port

CARD = "NVIDIA GeForce RTX 4090, 24564, 24100, 570.86.10, 8.9"


def level(finding: Finding | None) -> Level | None:
    return finding.level if finding else None


@pytest.fixture
def real_model(settings: Settings) -> Settings:
    settings.MODEL_NAME = "openai/gpt-oss-20b"
    return settings


@pytest.mark.usefixtures("real_model")
@pytest.mark.parametrize(
    ("says", "expected", "told"),
    [
        (f"echo '{CARD}'", Level.OK, "RTX 4090, 24,100 of 24,564 MiB free, driver 570.86.10"),
        (f"echo '{CARD}'; echo '{CARD}'", Level.OK, "2 × NVIDIA"),
        ("echo 'Tesla V100, 32768, 32000, 535.1, 7.0'", Level.PROBLEM, "compute capability 7.0"),
        ("echo 'NVIDIA A2000, 12282, 12000, 535.1, 8.6'", Level.PROBLEM, "needs about 14,000 MiB"),
        ("echo 'NVIDIA A4000, 16376, 900, 535.1, 8.6'", Level.WARNING, "900 of 16,376 MiB free"),
        ("echo 'No devices were found'; exit 6", Level.WARNING, "none (No devices were found)"),
        ("exit 9", Level.WARNING, "none (no card)"),
        ("echo 'N/A, N/A, N/A, N/A, N/A'", Level.WARNING, "something else than expected"),
    ],
)
def test_graphics_cards(nvidia_smi: Callable[[str], None], says: str, expected: Level, told: str) -> None:
    nvidia_smi(says)
    finding = hardware.gpu()
    assert finding
    assert (finding.level, told in finding.text) == (expected, True), finding


def test_the_demo_model_needs_no_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(hardware.gpu()) == "ok       GPU: none (there is no nvidia-smi); the demo model needs none"


@pytest.mark.usefixtures("without_gpu")
@pytest.mark.parametrize(
    ("flags", "model", "expected"),
    [
        ("sse4_2 avx2 avx512f amx_tile", "openai/gpt-oss-20b", Level.OK),
        ("sse4_2 avx2 avx512f", "openai/gpt-oss-20b", Level.WARNING),
        ("sse4_2 avx2", "demo", Level.OK),
        ("sse4_2", "demo", Level.PROBLEM),
    ],
)
def test_processors(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, model: str, expected: Level
) -> None:
    settings.MODEL_NAME = model
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(hardware, "CPU_INFO", tmp_path / "cpuinfo")
    assert level(hardware.cpu()) is expected


@pytest.mark.usefixtures("without_gpu")
@pytest.mark.parametrize(("limit", "expected"), [("max", Level.OK), ("1073741824", Level.WARNING)])
def test_memory_of_the_machine_and_of_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, expected: Level
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 99999999 kB\nMemAvailable: 8388608 kB\n")
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr(hardware, "MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(hardware, "CGROUP_LIMIT", tmp_path / "limit")
    assert level(hardware.memory()) is expected


def test_unsafe_settings_are_named(settings: Settings) -> None:
    assert level(configuration.debug()) is level(configuration.secret_key()) is Level.OK
    settings.DEBUG, settings.SECRET_KEY = True, "x" * 60
    assert level(configuration.debug()) is Level.WARNING
    assert level(configuration.secret_key()) is Level.PROBLEM
    settings.CSRF_TRUSTED_ORIGINS = ["chat.example.org"]
    assert level(configuration.origins()) is Level.PROBLEM


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("localhost", False),
        ("[::1]", False),
        ("192.168.1.20", False),
        ("server.local", False),
        ("server", False),
        ("*", True),
        ("8.8.8.8", True),
        (".example.org", True),
    ],
)
def test_names_that_others_may_know_need_encryption(settings: Settings, host: str, is_public: bool) -> None:
    settings.ALLOWED_HOSTS = [host]
    settings.HTTPS = False
    assert level(configuration.encryption()) is (Level.WARNING if is_public else Level.OK)
    settings.HTTPS = True
    assert level(configuration.encryption()) is Level.OK


def test_a_dotenv_that_others_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv = tmp_path / ".env"
    monkeypatch.setattr(configuration, "DOTENV", dotenv)
    assert level(configuration.dotenv()) is Level.OK
    dotenv.touch(0o644)
    assert level(configuration.dotenv()) is Level.WARNING
    dotenv.chmod(0o600)
    assert level(configuration.dotenv()) is Level.OK


def test_packages_are_compared_with_the_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "LISTS", tmp_path)
    assert level(software.packages()) is Level.WARNING
    (tmp_path / "base.txt").write_text("# The site.\nDjango==1.0\n")
    assert "instead of 1.0" in software.packages().text
    (tmp_path / "base.txt").write_text("not-a-package-of-anybody==1.0\n")
    assert software.packages().text == "not-a-package-of-anybody missing"


def test_static_files(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT, settings.STATICFILES_DIRS = tmp_path / "collected", [tmp_path / "source"]
    for folder in (settings.STATIC_ROOT, *settings.STATICFILES_DIRS):
        folder.mkdir()
    assert level(software.static_files()) is Level.PROBLEM
    (settings.STATIC_ROOT / "staticfiles.json").touch()
    assert level(software.static_files()) is Level.OK
    source = tmp_path / "source/site.css"
    source.touch()
    os.utime(source, (source.stat().st_atime, source.stat().st_mtime + 100))
    assert level(software.static_files()) is Level.WARNING


def test_weights(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert level(engine.weights()) is Level.OK
    settings.MODEL_NAME = str(tmp_path)
    assert level(engine.weights()) is Level.PROBLEM
    (tmp_path / "config.json").touch()
    (tmp_path / "model.safetensors").touch()
    assert level(engine.weights()) is Level.OK
    settings.MODEL_NAME = str(tmp_path / "none")
    assert level(engine.weights()) is Level.PROBLEM
    settings.MODEL_NAME = "nobody/has-such-a-model"
    assert level(engine.weights()) is Level.WARNING


def test_an_engine_without_its_server_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert level(engine.leftovers()) is Level.OK
    program = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'VLLM::Test'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={VARIABLE: "999999999:1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as left:
        assert left.stdout
        left.stdout.readline()
        found = engine.leftovers()
        left.kill()
    assert (found.level, found.fix) == (Level.PROBLEM, f"Run kill {left.pid}")


def test_files_of_secrets_that_others_can_read(settings: Settings, tmp_path: Path) -> None:
    secret = tmp_path / "secret_key"
    secret.touch(0o600)
    settings.SECRET_FILES = {"SECRET_KEY_FILE": secret}
    assert not list(configuration.secret_files())
    secret.chmod(0o640)
    (found,) = configuration.secret_files()
    assert (found.level, found.subject, found.fix) == (Level.WARNING, "SECRET_KEY_FILE", f"Run chmod 600 {secret}")


def test_a_database_that_others_can_read(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, settings.BACKUP_FOLDER = tmp_path / "db.sqlite3", tmp_path / "backups"
    monkeypatch.setattr(storage, "database_file", lambda: file)
    assert storage.privacy() is None
    file.touch(0o640)
    settings.BACKUP_FOLDER.mkdir(0o700)
    assert level(storage.privacy()) is Level.OK
    file.chmod(0o644)
    finding = storage.privacy()
    assert finding
    assert (finding.level, finding.fix) == (Level.WARNING, f"Run chmod o-rwx {file}")


@pytest.mark.django_db
def test_a_database_that_fits(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_FOLDER = tmp_path
    assert str(storage.database()).startswith(f"ok       Database: {connection.vendor}, ")
    assert storage.integrity() is None


def test_a_database_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "db.sqlite3"
    monkeypatch.setattr(storage, "database_file", lambda: file)
    assert storage.database().fix == "Run python manage.py migrate"
    assert not file.exists()
    file.write_bytes(b"no database" * 100)
    assert level(storage.integrity()) is Level.PROBLEM
    assert level(storage.database_disk()) is Level.OK


def test_a_disk_that_is_full(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BACKUP_FOLDER = tmp_path / "to/be/made"
    assert level(storage.backup_disk()) is Level.OK
    monkeypatch.setattr(storage, "DATABASE_BYTES", 10**18)
    finding = storage.backup_disk()
    assert (finding.level, finding.fix) == (Level.PROBLEM, "Free some space, or use a larger disk.")


def test_the_port(script: ScriptedServer) -> None:
    assert level(services.port(free_port())) is Level.OK
    assert level(services.port(script.port)) is Level.PROBLEM
    with socket.create_server(("127.0.0.1", 0)) as silent:
        services.ANSWER_SECONDS, before = 0.1, services.ANSWER_SECONDS
        try:
            assert level(services.port(silent.getsockname()[1])) is Level.PROBLEM
        finally:
            services.ANSWER_SECONDS = before


def test_redis(settings: Settings, tmp_path: Path) -> None:
    assert services.redis() is None
    settings.REDIS_URL = "redis://:secret@127.0.0.1:9/0"
    finding = services.redis()
    assert level(finding) is Level.PROBLEM
    assert "secret" not in str(finding)
    server = RedisServer(tmp_path)
    server.start()
    try:
        settings.REDIS_URL = server.url
        assert level(services.redis()) is Level.OK
    finally:
        server.stop()


def test_vllm_servers(settings: Settings, script: ScriptedServer) -> None:
    assert services.vllm_servers() == []
    settings.ENGINE, settings.MODEL_NAME = "vllm-server", "scripted"
    well, dead = script.url, "http://ann:secret@127.0.0.1:9"
    for urls, expected in {
        (well,): ["ok"],
        (well, dead): ["ok", "warning"],
        (dead, dead): ["problem", "problem"],
    }.items():
        settings.VLLM_SERVER_URL = ",".join(urls)
        found = services.vllm_servers()
        assert [str(finding.level) for finding in found] == expected
        assert not [finding for finding in found if "secret" in str(finding)]
    settings.VLLM_SERVER_URL = well
    assert str(services.vllm_servers()[0]) == f"ok       vLLM server: {well} serves scripted"


@pytest.mark.parametrize(
    "last", [ok("It", "works"), warning("It", "limps", "Sit."), problem("It", "is gone", "Get one.")]
)
def test_the_command_says_each_and_ends_with_1_only_for_problems(
    last: Finding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "CHECKS", (lambda: ok("That", "is"), lambda: None, lambda: last))
    port = str(free_port())
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--port", port, stdout=out, no_color=True)
    assert ended.value.code == (last.level is Level.PROBLEM)
    assert out.getvalue().splitlines()[:2] == ["ok       That: is", str(last)]
    told = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "--port", port, "--json", stdout=told)
    assert [each["subject"] for each in json.loads(told.getvalue())] == ["That", "It", f"Port {port}"]


@pytest.mark.django_db
def test_all_checks_work_together(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_FOLDER = tmp_path
    findings = list(examination.examine(free_port()))
    assert len(findings) > 15
    assert not [finding for finding in findings if settings.SECRET_KEY in str(finding)]
    assert connection.is_usable()
