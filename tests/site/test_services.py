"""The whole path over the real Redis and the real PostgreSQL, each started for the test on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripted_server import ScriptedServer, reply
from tests.services import RedisServer
from tests.site_process import SiteProcess, free_port


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    server = RedisServer(tmp_path)
    server.start()
    yield server.url
    server.stop()


def postgresql_folder() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path("postgresql-is-missing")


@pytest.fixture
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of its own; PostgreSQL refuses to run as root, so it runs as Debian's user for it."""
    folder = tmp_path_factory.mktemp("postgresql")
    binaries = postgresql_folder()
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        folder.parent.chmod(0o755)
        folder.parent.parent.chmod(0o755)
        shutil.chown(folder, user)
    port = free_port()
    initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "localai", "-A", "trust", "-E", "UTF8"]
    subprocess.run(initdb, user=user, check=True, stdout=subprocess.DEVNULL)
    options = ["-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    process = subprocess.Popen(
        [binaries / "postgres", "-D", folder / "data", *options], user=user, stderr=subprocess.DEVNULL
    )
    try:
        ready = [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
        deadline = time.monotonic() + 60
        while subprocess.run(ready, check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"postgres://localai@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


ASK = """
import asyncio, sys
from django.contrib.auth.models import User
from chat import replies
from chat.models import Conversation
from chat.orders import Ask
from inference.harmony import Effort
from inference.supervisor import get_supervisor

conversation = Conversation.objects.create(owner=User.objects.get(username="ann"))

async def main():
    get_supervisor().start_in_background()
    await asyncio.to_thread(get_supervisor().wait_ready, 30)
    await replies.submit(conversation, Ask("Hello", Effort.LOW))
    while replies._tasks:
        await asyncio.sleep(0.01)
    answer = await conversation.messages.alast()
    print(answer.status, answer.text)

asyncio.run(main())
"""


def test_an_answer_over_redis(script: ScriptedServer, redis_url: str, tmp_path: Path) -> None:
    script.enqueue(reply("", "Over Redis."))
    site = SiteProcess(tmp_path, ENGINE="vllm-server", VLLM_SERVER_URL=script.url, REDIS_URL=redis_url).prepare()
    done = site.manage("shell", "-v0", "-c", ASK)
    assert done.stdout.split(maxsplit=1) == ["complete", "Over Redis.\n"], done.stderr
    assert "was not delivered" not in done.stderr


def test_an_answer_in_postgresql(script: ScriptedServer, database_url: str, tmp_path: Path) -> None:
    script.enqueue(reply("", "In PostgreSQL, with\x00 a NUL."))
    site = SiteProcess(tmp_path, ENGINE="vllm-server", VLLM_SERVER_URL=script.url, DATABASE_URL=database_url).prepare()
    done = site.manage("shell", "-v0", "-c", ASK)
    assert done.stdout.split(maxsplit=1) == ["complete", "In PostgreSQL, with\ufffd a NUL.\n"], done.stderr
