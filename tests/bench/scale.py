"""What one web process bears, and what PostgreSQL, Redis and more processes change: `python -m tests.bench.scale`.

It needs `DJANGO_SETTINGS_MODULE=localai_site.settings LOCALAI_ENV_FILE=tests/test.env`; numbers after it choose among
the four kinds (0 to 3). The engine is
scripted, so all that is measured is the site's. Clients run on the same machine: look at the CPU seconds of the
servers first, which do not depend on them.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import psycopg
from redis import Redis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.bench.paced_server import answer_of
from tests.nginx import Nginx
from tests.scripted_server import Script, ScriptedServer
from tests.services import PostgreSQLServer, RedisServer
from tests.site_process import SiteProcess
from tests.viewer import Person

TOKENS = 250
TOKENS_PER_SECOND = 50.0
WATCHERS = (1, 20, 100)
CLIENTS = 24
API_SECONDS = 8.0
GATE = 64


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    processes: int = 1
    sql: bool = True
    redis: bool = True


KINDS = [
    Kind("SQLite", sql=False, redis=False),
    Kind("PostgreSQL", redis=False),
    Kind("PostgreSQL, Redis"),
    Kind("PostgreSQL, Redis, 3 processes", processes=3),
]


@dataclass
class House:
    """A configuration under load. `front` is whom people ask: a server, or the proxy before several."""

    name: str
    sites: list[SiteProcess]
    front: SiteProcess | Nginx
    script: ScriptedServer
    postgresql: PostgreSQLServer | None
    redis: RedisServer | None

    def cpu_seconds(self) -> float:
        times = [psutil.Process(site.process.pid).cpu_times() for site in self.sites if site.process]
        return sum(each.user + each.system for each in times)

    def database_counts(self) -> dict[str, int]:
        """Rows and bytes of log that were written, as PostgreSQL counts them."""
        if not self.postgresql:
            return {}
        with psycopg.connect(self.postgresql.url) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            time.sleep(1.1)  # the other sessions tell theirs once a second
            rows = "SELECT sum(n_tup_ins), sum(n_tup_upd) FROM pg_stat_user_tables"
            inserted, updated = connection.execute(rows).fetchone() or (0, 0)
            log = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
            (written,) = connection.execute(log).fetchone() or (0,)
        return {"inserted": int(inserted), "updated": int(updated), "log_bytes": int(written)}

    def redis_commands(self) -> int:
        if not self.redis:
            return 0
        with Redis.from_url(self.redis.url) as client:
            return int(client.info("stats")["total_commands_processed"])


@contextmanager
def house(kind: Kind, folder: Path) -> Iterator[House]:
    with ExitStack() as stack:
        script = ScriptedServer().start()
        stack.callback(script.stop)
        settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": script.url, "MODEL_NAME": "scripted"}
        settings |= {"MAX_CONCURRENT_GENERATIONS": str(GATE), "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3"}
        (folder / "sql").mkdir(parents=True)
        postgresql = PostgreSQLServer(folder / "sql") if kind.sql else None
        memory = RedisServer(folder) if kind.redis else None
        if postgresql:
            postgresql.start()
            stack.callback(postgresql.stop)
            settings["DATABASE_URL"] = postgresql.url
        if memory:
            memory.start()
            stack.callback(memory.stop)
            settings["REDIS_URL"] = memory.url
        sites = [SiteProcess(folder, **settings) for _ in range(kind.processes)]
        sites[0].prepare()
        for site in sites:
            site.start().wait_ready()
            stack.callback(site.stop)
        front: SiteProcess | Nginx = sites[0]
        if kind.processes > 1:
            front = Nginx(folder, [site.port for site in sites])
            front.start()
            stack.callback(front.stop)
        yield House(kind.name, sites, front, script, postgresql, memory)


async def watch(house: House, person: Person, path: str, frames: list[int], is_open: asyncio.Event) -> None:
    """A page of the conversation that only counts what comes."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        page = await client.get(f"{house.front.url}{path}", headers=person.headers)
    (address,) = re.findall(r'ws-connect="([^"]+)"', page.text)
    url = f"{house.front.url}{address}".replace("http:", "ws:", 1).replace("&amp;", "&")
    options = {"origin": house.front.url, "additional_headers": person.headers, "compression": None}
    async with connect(url, **options) as socket:  # type: ignore[arg-type]
        is_open.set()
        with suppress(ConnectionClosed, TimeoutError):
            while True:
                async with asyncio.timeout(2 + TOKENS / TOKENS_PER_SECOND):
                    await socket.recv()
                frames.append(1)


async def watched_reply(house: House, watchers: int) -> dict[str, object]:
    """One paced answer before so many open pages."""
    person = Person(house.sites[0])
    path = person.new_conversation(house.sites[0])
    house.script.scripts.append(Script(answer_of(TOKENS), seconds_per_token=1 / TOKENS_PER_SECOND))
    frames: list[int] = []
    opened = [asyncio.Event() for _ in range(watchers)]
    tasks = [asyncio.create_task(watch(house, person, path, frames, event)) for event in opened]
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in opened))
    await asyncio.sleep(1)
    frames.clear()
    before = (house.cpu_seconds(), await asyncio.to_thread(house.database_counts), house.redis_commands())
    form = {"prompt": "Go on for a while", "effort": "low", "edits": "", "key": uuid4().hex}
    headers = person.headers | {"X-CSRFToken": person.cookies["csrftoken"], "Referer": house.front.url}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        asked = await client.post(f"{house.front.url}{path}prompt/", data=form, headers=headers)
        assert asked.status_code < 400, (asked.status_code, asked.text[:500])
    await asyncio.sleep(TOKENS / TOKENS_PER_SECOND + 1.5)
    cpu, commands = house.cpu_seconds() - before[0], house.redis_commands() - before[2]
    counts = await asyncio.to_thread(house.database_counts)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "house": house.name,
        "watchers": watchers,
        "frames_per_watcher": round(len(frames) / watchers, 1),
        "cpu_seconds": round(cpu, 2),
        "redis_commands": commands,
        "database": {name: counts[name] - before[1][name] for name in counts},
    }


async def api_load(house: House) -> dict[str, object]:
    """Short answers, each asked for when the last one came, by several programs."""
    house.script.default = Script(answer_of(30))
    key = house.sites[0].manage("create_api_key", "ann").stdout.split()[-1]
    body = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}
    statuses: list[int] = []
    before, began = house.cpu_seconds(), time.monotonic()

    async def program() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60, headers={"Authorization": f"Bearer {key}"}) as client:
            while time.monotonic() - began < API_SECONDS:
                statuses.append((await client.post(f"{house.front.url}/v1/chat/completions", json=body)).status_code)

    await asyncio.gather(*(program() for _ in range(CLIENTS)))
    seconds = time.monotonic() - began
    return {
        "house": house.name,
        "answers_per_second": round(statuses.count(200) / seconds, 1),
        "refused": len(statuses) - statuses.count(200),
        "cpu_milliseconds_per_answer": round((house.cpu_seconds() - before) / len(statuses) * 1000, 1),
    }


async def measure(folder: Path, kinds: list[Kind]) -> None:
    for kind in kinds:
        with house(kind, folder / str(len(kind.name))) as built:
            for watchers in WATCHERS:
                tell(await watched_reply(built, watchers))
            tell(await api_load(built))


def tell(figures: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    chosen = [KINDS[int(number)] for number in sys.argv[1:]] or KINDS
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(Path(name), chosen))
