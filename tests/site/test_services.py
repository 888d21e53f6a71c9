"""The whole path over the real Redis and the real PostgreSQL, each started for the test on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from tests.conftest import NewSite
from tests.scripted_server import ScriptedServer, reply
from tests.services import PostgreSQLServer, RedisServer
from tests.site import searched
from tests.site_process import SiteProcess


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    server = RedisServer(tmp_path)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def postgresql_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteProcess]:
    server = PostgreSQLServer(tmp_path_factory.mktemp("postgresql"))
    server.start()
    try:
        yield SiteProcess(tmp_path_factory.mktemp("site"), DATABASE_URL=server.url).prepare()
    finally:
        server.stop()


ASK = """
import asyncio, sys
from django.contrib.auth.models import User
from chat import replies
from chat.models import Conversation
from chat.orders import Ask
from inference.messages import Effort
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


def test_an_answer_in_postgresql(script: ScriptedServer, postgresql_site: SiteProcess) -> None:
    script.enqueue(reply("", "In PostgreSQL, with\x00 a NUL."))
    engine = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": script.url}
    done = postgresql_site.manage("shell", "-v0", "-c", ASK, **engine)
    assert done.stdout.split(maxsplit=1) == ["complete", "In PostgreSQL, with\ufffd a NUL.\n"], done.stderr


@pytest.mark.django_db
def test_both_databases_find_the_same(postgresql_site: SiteProcess) -> None:
    User.objects.create_user("ann")
    expected = searched.outcome()
    assert all(expected[query] for query in searched.FOUND)
    assert not any(expected[query] for query in searched.NOT_FOUND)
    done = postgresql_site.manage("shell", "-v0", "-c", "from tests.site import searched; searched.tell()")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


MOVED = "--natural-foreign --natural-primary --format jsonl --exclude contenttypes --exclude auth.permission"
MOVED += " --exclude admin.logentry --exclude sessions"

WRITE_HISTORY = """
from django.contrib.auth.models import Group, User
from chat.models import Message, Role
from inference.models import ApiKey

bob = User.objects.get(username="bob")
bob.groups.add(Group.objects.create(name="friends"))
ApiKey.issue(bob, "program")
talk = bob.conversations.create(title="Größe")
asked = talk.messages.create(role=Role.USER, text="How tall is an ocelot? 👩‍🚀")
ids = Message.token_ids.field.pack([0, 200007, 201087])
answer = {"role": Role.ASSISTANT, "token_ids": ids, "status": "complete"}
talk.leaf = talk.messages.create(parent=asked, text="Not very.", thinking="A small cat.", **answer)
talk.save()
"""

READ_HISTORY = """
from django.contrib.auth import authenticate
from chat.search.hits import search

bob = authenticate(username="bob", password="correct-horse-7")
(talk,) = bob.conversations.all()
print(talk.pk, talk.title, talk.leaf_id, list(bob.groups.values_list("name")), list(bob.api_keys.values_list("digest")))
for message in talk.messages.order_by("pk"):
    print(message.pk, message.parent_id, message.text, message.thinking, bytes(message.token_ids).hex())
print([[hit.part for hit in search(bob, query)] for query in ("ocelot", "small cat", "grosse", "größe")])
"""


def test_a_history_moves_from_sqlite_to_postgresql(
    new_site: NewSite, postgresql_site: SiteProcess, tmp_path: Path
) -> None:
    """As docs/scale.md has it."""
    old, file = new_site(MODEL_NAME="demo"), tmp_path / "history.jsonl"
    for arguments in (["shell", "-v0", "-c", WRITE_HISTORY], ["dumpdata", *MOVED.split(), "--output", str(file)]):
        done = old.manage(*arguments)
        assert done.returncode == 0, done.stderr
    done = postgresql_site.manage("loaddata", str(file))
    assert done.returncode == 0, done.stderr
    expected, found = (site.manage("shell", "-v0", "-c", READ_HISTORY) for site in (old, postgresql_site))
    assert "ocelot" in expected.stdout, expected.stderr
    assert found.stdout == expected.stdout, found.stderr
