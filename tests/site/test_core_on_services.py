"""The core's own tests once more: on the real PostgreSQL and the real Redis instead of SQLite and memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import PostgreSQLServer, RedisServer
from tests.site_process import ROOT

CORE = ["tests/chat", "tests/inference/api"]
"""All that reads and writes the database, passes the gate or speaks through the channel layer."""

OF_TEXT_ALONE = [
    "tests/chat/test_markdown.py",
    "tests/chat/test_markdown_stream.py",
    "tests/inference/api/test_openapi.py",
]


@pytest.mark.timeout(600)
def test_the_core_passes_on_postgresql_and_redis(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("services")
    postgresql, redis = PostgreSQLServer(tmp_path_factory.mktemp("postgresql")), RedisServer(folder)
    postgresql.start()
    redis.start()
    try:
        done = core_with(folder / "services.env", DATABASE_URL=postgresql.url, REDIS_URL=redis.url)
    finally:
        redis.stop()
        postgresql.stop()
    assert done.returncode == 0, done.stdout[-20_000:]
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) > 500


def core_with(file: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """With these settings besides those of all tests. The database goes with its server, so nobody deletes it."""
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    options = ["--envfile", f"+{file}", "--reuse-db", "-p", "tests.quick_flush", "-q", "--tb=short"]
    ignored = [f"--ignore={path}" for path in OF_TEXT_ALONE]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *CORE, *ignored],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
