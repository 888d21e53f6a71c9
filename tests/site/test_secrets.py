"""Keys, passwords and words that must not get out, planted in a whole site in which then everything breaks."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from redis import Redis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Origin

from tests.scripted_server import ScriptedServer, reply
from tests.services import PostgreSQLServer, RedisServer
from tests.site.conftest import new_key
from tests.site_process import PASSWORD, SiteProcess
from tests.viewer import Person, Viewer

WORD = "Rumpelstilzchen"
"""In everything that people, programs and the model say here."""

SECRET = "Sesam-oeffne-dich"
"""In every key and every password."""

PEOPLE = f"""
from django.contrib.auth.models import User
User.objects.create_superuser("root", "root@example.org", {PASSWORD!r})
User.objects.filter(username="ann").update(email="ann@example.org")
"""
QUOTED = {"chat_message": "text", "chat_preset": "name", "chat_conversation": "title"}
DEBUGGING = f"""
from django.test import Client
from django.contrib.auth.models import User
client = Client(raise_request_exception=False)
client.force_login(User.objects.get(username="ann"))
response = client.post("/settings/presets/", {{"name": "a", "instructions": "b"}})
print(response.status_code, "DATABASE_URL" in response.content.decode(), {SECRET!r} in response.content.decode())
"""


@dataclass
class House:
    """A site with all that it can talk to; what it answers is gathered."""

    site: SiteProcess
    script: ScriptedServer
    redis: RedisServer
    postgresql: PostgreSQLServer
    key: str = ""
    answers: list[httpx.Response] = field(default_factory=list)

    def client(self, **headers: str) -> httpx.AsyncClient:
        async def gather(response: httpx.Response) -> None:
            await response.aread()
            self.answers.append(response)

        return httpx.AsyncClient(
            base_url=self.site.url,
            headers={"Referer": self.site.url, **headers},
            trust_env=False,
            timeout=60,
            event_hooks={"response": [gather]},
        )

    def program(self) -> httpx.AsyncClient:
        return self.client(Authorization=f"Bearer {self.key}")

    def person(self, person: Person) -> httpx.AsyncClient:
        return self.client(**person.headers, **{"X-CSRFToken": person.cookies["csrftoken"]})

    def alter(self, table: str, change: str) -> None:
        with psycopg.connect(self.postgresql.url) as connection:
            connection.execute(f"ALTER TABLE {table} {change}".encode())


@pytest.fixture(scope="module", params=["json", "text"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    script, folder = ScriptedServer().start(), tmp_path_factory.mktemp("site")
    redis, postgresql = RedisServer(folder), PostgreSQLServer(tmp_path_factory.mktemp("postgresql"))
    redis.start()
    postgresql.start()
    patience = {"FIRST_TOKEN_TIMEOUT": "5", "NEXT_TOKEN_TIMEOUT": "5"}  # with an engine that is gone
    kind = {"ENGINE": "vllm-server", "MODEL_NAME": "scripted", "LOG_FORMAT": request.param, "LOG_LEVEL": "DEBUG"}
    site = SiteProcess(folder, **kind, **patience)
    with Redis.from_url(redis.url) as client:
        client.config_set("requirepass", SECRET)
    secrets = {
        "SECRET_KEY": f"{SECRET}-abcdefghijklmnopqrstuvwxyz-0123456789-0123456789",
        "DATABASE_URL": postgresql.url.replace("localai@", f"localai:{SECRET}@"),
        "REDIS_URL": redis.url.replace("//", f"//:{SECRET}@"),
        "VLLM_SERVER_URL": script.url.replace("//", f"//ann:{SECRET}@"),
        "VLLM_SERVER_API_KEY": SECRET,
        "EMAIL_URL": f"smtp://ann:{SECRET}@127.0.0.1:9",
        "METRICS_TOKEN": SECRET,
        "HF_TOKEN": SECRET,
    }
    for name, value in secrets.items():
        site.environment.pop(name, None)
        (folder / name).write_text(value)
        site.environment[f"{name}_FILE"] = str(folder / name)
    site.environment["EMAIL_FROM"] = "localai@example.org"
    try:
        site.prepare()
        assert not site.manage("shell", "-v0", "-c", PEOPLE).stderr
        yield House(site.start().wait_ready(), script, redis, postgresql, new_key(site))
    finally:
        site.stop()
        script.stop()
        postgresql.stop()
        redis.stop()


async def ask(house: House, person: Person, path: str, outcome: str) -> None:
    async with Viewer(person, house.site, path) as viewer:
        await viewer.ask(f"Who is {WORD}?")
        assert await viewer.until_ended() == outcome


async def tell(house: House, person: Person, path: str) -> None:
    """A prompt, and nonsense, over a socket that the site may refuse, or close at once."""
    address = f"{house.site.url.replace('http', 'ws', 1)}/ws{path}"
    with suppress(InvalidHandshake, ConnectionClosed):
        async with connect(
            address, origin=Origin(house.site.url), additional_headers=person.headers, proxy=None, open_timeout=60
        ) as opened:
            await opened.send(json.dumps({"prompt": WORD, "effort": "low", "key": "", "edits": ""}))
            await opened.send(json.dumps({WORD: WORD}))
            await opened.send(f"{{{WORD}")
            await opened.recv()


async def use_all(house: House, person: Person, path: str) -> None:
    """What people and programs do, whether it can be done or not."""
    async with house.person(person) as client:
        await client.get("/search/", params={"q": WORD})
        await client.get(path)
        await client.post("/settings/presets/", data={"name": WORD, "instructions": WORD})
        await client.post(f"{path}prompt/", data={"prompt": WORD, "key": WORD, "effort": "low"})
        await client.post(f"{path}rename/", data={"title": WORD})
        await client.post("/import/", files={"file": (f"{WORD}.json", f'{{"{WORD}"')})
        await client.get("/v1/models")
        await client.get("/", headers={"Host": "evil.invalid"})
    async with house.program() as client:
        messages = [{"role": "user", "content": WORD}]
        await client.post("/v1/chat/completions", json={"messages": messages})
        await client.post("/v1/responses", json={"input": WORD, "previous_response_id": WORD})
        await client.post("/v1/responses", json={"input": WORD})
        await client.post("/api/generate", json={"prompt": WORD})
    async with house.client() as client:
        token = (await client.get("/accounts/login/")).cookies.get("csrftoken", "")
        form = {"csrfmiddlewaretoken": token}
        await client.post("/accounts/login/", data=form | {"username": "ann", "password": SECRET})
        await client.post("/accounts/password/forgotten/", data=form | {"email": "ann@example.org"})
        await client.get("/metrics", headers={"Authorization": f"Bearer {SECRET}"})
        await client.get("/readyz")
    await tell(house, person, path)


async def break_everything(house: House, ann: Person, path: str) -> None:
    house.script.enqueue(reply("", "broken")[:3], finish_reason=None)
    house.script.enqueue([], status=500)
    house.script.enqueue([], status=500)
    await use_all(house, ann, path)
    for table in ("chat_message", "chat_preset", "inference_storedresponse"):
        house.alter(table, f"RENAME TO {table}_away")
        await use_all(house, ann, path)
        house.alter(f"{table}_away", f"RENAME TO {table}")
    for table, column in QUOTED.items():  # PostgreSQL quotes the whole row that it refuses
        house.alter(table, f"ADD CONSTRAINT wordless CHECK ({column} NOT LIKE '%{WORD}%') NOT VALID")
        await use_all(house, ann, path)
        house.alter(table, "DROP CONSTRAINT wordless")
    house.redis.kill()
    await use_all(house, ann, path)
    house.redis.start()
    house.script.stop()
    await use_all(house, ann, path)
    house.postgresql.kill()
    await use_all(house, ann, path)
    house.postgresql.start()


async def test_whatever_breaks_nothing_of_it_is_told(house: House) -> None:
    ann = Person(house.site)
    path = ann.new_conversation(house.site)
    house.script.enqueue(reply(f"Think of {WORD}.", f"{WORD} it is."))
    await ask(house, ann, path, "complete")
    await break_everything(house, ann, path)
    async with house.person(Person(house.site, "root")) as client:
        for page in ("/admin/", "/admin/engine/", "/admin/usage/"):
            assert (await client.get(page)).status_code == 200
    log = house.site.log
    assert "OperationalError" in log
    assert "ProgrammingError" in log
    assert "IntegrityError" in log
    assert SECRET not in log
    assert WORD.lower() not in log.lower()
    broken = [answer for answer in house.answers if answer.status_code >= 500]
    assert {answer.request.url.path for answer in broken} >= {"/settings/presets/", "/v1/responses", path}
    for answer in house.answers:
        assert SECRET not in f"{answer.headers}{answer.text}", answer.request.url
    for answer in broken:
        assert "Traceback" not in answer.text
        assert WORD not in answer.text


def test_the_doctor_tells_no_secret(house: House) -> None:
    done = house.site.manage("doctor", "--port", str(house.site.port))
    assert "PostgreSQL" in done.stdout or "postgresql" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_an_error_page_of_debug_hides_them(house: House) -> None:
    house.alter("chat_preset", "RENAME TO chat_preset_away")
    try:
        done = house.site.manage("shell", "-v0", "-c", DEBUGGING, DEBUG="True", ALLOWED_HOSTS="testserver")
    finally:
        house.alter("chat_preset_away", "RENAME TO chat_preset")
    assert done.stdout.split() == ["500", "True", "False"], done.stderr
    assert SECRET not in done.stderr


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    site = SiteProcess(tmp_path, MODEL_NAME="demo", BACKUP_FOLDER=str(tmp_path / "backups"))
    file = tmp_path / "db.sqlite3"
    assert site.manage("migrate", "-v0").returncode == 0
    assert mode(file) == 0o600
    file.chmod(0o664)
    assert site.manage("migrate", "-v0").returncode == 0
    assert mode(file) == 0o660, "the group is what somebody chose"
    assert site.manage("backup", str(tmp_path / "kept.localai")).returncode == 0
    assert mode(tmp_path / "kept.localai") == 0o600
    assert site.manage("restore", str(tmp_path / "kept.localai")).returncode == 0
    assert (mode(tmp_path / "backups"), mode(file)) == (0o700, 0o660)
    (automatic,) = (tmp_path / "backups").glob("*.localai")
    assert mode(automatic) == 0o600
