"""Three server processes share PostgreSQL, Redis and an engine: it makes no difference which of them one asks."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest

from inference.shared_gate import LEASE_SECONDS
from tests.engine_processes import ServerProcess
from tests.nginx import Nginx
from tests.scripted_server import Script, ScriptedServer, harmony, reply
from tests.services import PostgreSQLServer, RedisServer
from tests.site.conftest import new_key
from tests.site_process import SiteProcess
from tests.viewer import Person, Viewer

logger = logging.getLogger(__name__)

WIDTH = 2
NOTICED_SECONDS = LEASE_SECONDS + 5
HALF = harmony("<|channel|>final<|message|>Half an ans")
WHOLE = [*HALF, *harmony("wer 👩‍🚀, whole.<|return|>")]


@dataclass
class CountingServer(ScriptedServer):
    """Counts how many requests run at once."""

    running: int = 0
    most: int = 0

    async def _completion(
        self, request: dict[str, object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await super()._completion(request, reader, writer)
        finally:
            self.running -= 1


@dataclass
class House:
    """The processes, in front of them the proxy, and behind them what they share."""

    sites: list[SiteProcess]
    proxy: Nginx
    database_url: str
    engine: CountingServer = field(default_factory=CountingServer)

    def start(self) -> None:
        """What does not run yet."""
        resting = [site for site in self.sites if site.process is None]
        with ThreadPoolExecutor(len(self.sites)) as threads:
            list(threads.map(lambda site: site.start().wait_ready(), resting))

    def stop(self) -> None:
        for site in self.sites:
            site.stop(signal.SIGKILL)

    def query(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    async def until_saved(self, message: int) -> None:
        async with asyncio.timeout(10):
            while self.query("SELECT text FROM chat_message WHERE id = %s", message) != [("Half an ans",)]:
                await asyncio.sleep(0.05)

    def half(self) -> Script:
        """The next answer stays at its half until its `hold` is set."""
        answer = Script(WHOLE, hold=threading.Event(), hold_at=len(HALF))
        self.engine.scripts.append(answer)
        return answer


@dataclass(frozen=True, slots=True)
class Services:
    """What every process gets to know."""

    database_url: str
    redis_url: str

    @contextmanager
    def house(self, folders: list[Path], **settings: str) -> Iterator[House]:
        shared = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url, "ENGINE": "vllm-server"}
        sites = [SiteProcess(folder, **shared, **settings) for folder in folders]
        proxy = Nginx(folders[0], [site.port for site in sites])
        proxy.start()
        try:
            yield House(sites, proxy, self.database_url)
        finally:
            for site in sites:
                site.stop(signal.SIGKILL)
            proxy.stop()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [tmp_path_factory.mktemp("process") for _ in range(3)]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    redis, postgresql = RedisServer(tmp_path_factory.mktemp("redis")), PostgreSQLServer(tmp_path_factory.mktemp("sql"))
    redis.start()
    postgresql.start()
    try:
        SiteProcess(tmp_path_factory.mktemp("first"), DATABASE_URL=postgresql.url, MODEL_NAME="demo").prepare()
        yield Services(postgresql.url, redis.url)
    finally:
        postgresql.stop()
        redis.stop()


@pytest.fixture(scope="module")
def running_house(services: Services, folders: list[Path]) -> Iterator[House]:
    engine = CountingServer()
    engine.start()
    settings = {"VLLM_SERVER_URL": engine.url, "MODEL_NAME": "scripted", "MAX_CONCURRENT_GENERATIONS": str(WIDTH)}
    try:
        with services.house(folders, **settings) as house:
            house.engine = engine
            yield house
    finally:
        engine.stop()


@pytest.fixture
def house(running_house: House) -> House:
    """Whole again where a test broke it."""
    running_house.start()
    running_house.engine.scripts.clear()
    running_house.engine.most = 0
    return running_house


def let_go(answer: Script) -> None:
    assert answer.hold
    answer.hold.set()


async def opened(stack: AsyncExitStack, house: House, name: str = "ann") -> list[Viewer]:
    """The pages of a new conversation, one at each process."""
    person = Person(house.sites[0], name)
    path = person.new_conversation(house.sites[0])
    return [await stack.enter_async_context(Viewer(person, site, path)) for site in house.sites]


async def test_pages_of_all_show_the_same_live_text_and_stop_the_same_answer(house: House) -> None:
    async with AsyncExitStack() as stack:
        pages = await opened(stack, house)
        half = house.half()
        await pages[0].ask("Hello")
        for page in pages:
            await page.until(lambda it: it.answer == "Half an ans")
            assert page.status == "streaming"
        let_go(half)
        for page in pages:
            assert await page.until_ended() == "complete"
            assert page.answer == "Half an answer 👩‍🚀, whole."
        house.half()
        await pages[1].ask("Hello again")
        for page in pages:
            await page.until(lambda it: len(it.answers) == 2 and it.answer == "Half an ans")
        await pages[2].act("stop")
        for page in pages:
            assert await page.until_ended(2) == "stopped"
            assert page.answer == "Half an ans"
            await page.until(lambda it: it.engine_state == "ready")


async def test_behind_the_proxy_any_process_serves_anybody(house: House) -> None:
    ann = Person(house.proxy)
    path = ann.new_conversation(house.proxy)
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(Viewer(ann, house.proxy, path)) for _ in range(6)]
        servers = Counter(page.handshake["X-Server"] for page in pages)
        assert len(servers) > 1
        half = house.half()
        await pages[0].ask("Hello")
        for page in pages:
            await page.until(lambda it: it.answer == "Half an ans")
        let_go(half)
        for page in pages:
            assert await page.until_ended() == "complete"
            assert page.answer == "Half an answer 👩‍🚀, whole."


async def test_the_gate_is_one_for_all(house: House) -> None:
    async with AsyncExitStack() as stack:
        halves = [house.half(), house.half()]
        first, *_ = await opened(stack, house)
        await first.ask("Hello")
        _, second, _ = await opened(stack, house)
        await second.ask("Hello")
        for page in (first, second):
            await page.until(lambda it: it.answer == "Half an ans")
        *_, stranger = await opened(stack, house, "bob")
        assert stranger.engine_state == "generating"
        await stranger.ask("And me?")
        await stranger.until(lambda it: "busy" in it.alert)
        assert not stranger.prompts
        let_go(halves[0])
        await stranger.until(lambda it: "free again" in it.alert, seconds=5)
        house.engine.enqueue(reply("", "Yes, you."))
        await stranger.ask("And me?")
        assert await stranger.until_ended() == "complete"
        assert stranger.answer == "Yes, you."
        let_go(halves[1])
        assert await second.until_ended() == "complete"


async def test_a_storm_of_requests_never_has_more_at_the_engine_than_the_gate_is_wide(house: House) -> None:
    headers = {"Authorization": f"Bearer {new_key(house.sites[0])}"}
    body = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}
    house.engine.default = Script(reply("", "An answer."), seconds_per_token=0.02)
    before = house.query("SELECT count(*) FROM inference_usagerecord")[0][0]
    async with httpx.AsyncClient(trust_env=False, timeout=60, headers=headers) as client:
        posts = [client.post(f"{house.proxy.url}/v1/chat/completions", json=body) for _ in range(40)]
        answers = Counter([answer.status_code for answer in await asyncio.gather(*posts)])
    assert set(answers) <= {200, 429}
    assert answers[200] >= WIDTH
    assert house.engine.most == WIDTH
    assert house.query("SELECT count(*) FROM inference_usagerecord")[0][0] - before == answers[200]  # type: ignore[operator]
    logger.info("Of 40 requests at once: %s", json.dumps(answers))


async def test_an_answer_outlives_the_process_of_a_page(house: House) -> None:
    async with AsyncExitStack() as stack:
        writer, killed, other = await opened(stack, house)
        half = house.half()
        await writer.ask("Hello")
        for page in (writer, killed, other):
            await page.until(lambda it: it.answer == "Half an ans")
        house.sites[1].stop(signal.SIGKILL)
        let_go(half)
        for page in (writer, other):
            assert await page.until_ended() == "complete"
            assert page.answer == "Half an answer 👩‍🚀, whole."
        path = house.query("SELECT conversation_id FROM chat_message WHERE id = %s", writer.message)[0][0]
        for _ in range(3):
            async with Viewer(Person(house.proxy), house.proxy, f"/c/{path}/") as page:
                assert page.answer == "Half an answer 👩‍🚀, whole."


async def test_a_killed_process_takes_neither_the_answer_nor_the_gate_with_it(house: House) -> None:
    async with AsyncExitStack() as stack:
        first, second, third = await opened(stack, house)
        house.half()
        await first.ask("Hello")
        for page in (first, second, third):
            await page.until(lambda it: it.answer == "Half an ans")
        await house.until_saved(first.message)
        house.sites[0].stop(signal.SIGKILL)
        killed_at = time.monotonic()
        for page in (second, third):
            assert await page.until_ended(seconds=NOTICED_SECONDS) == "interrupted"
            assert page.answer == "Half an ans"
        logger.info("Interrupted after %.1f s.", time.monotonic() - killed_at)
        await third.until(lambda it: it.engine_state == "ready", seconds=NOTICED_SECONDS)
        logger.info("The gate was free after %.1f s.", time.monotonic() - killed_at)
        house.engine.enqueue(WHOLE[len(HALF) :])
        await second.act("continue")
        for page in (second, third):
            await page.until(lambda it: it.status == "complete")
            assert page.answer == "Half an answer 👩‍🚀, whole."
            assert len(page.answers) == 1


async def test_one_real_vllm_writes_for_all(
    services: Services, folders: list[Path], running_house: House, server_process: ServerProcess
) -> None:
    running_house.stop()
    url = f"http://127.0.0.1:{server_process.port}"
    with services.house(folders, VLLM_SERVER_URL=url, VLLM_SERVER_API_KEY="secret", MODEL_NAME="demo") as house:
        house.start()
        async with AsyncExitStack() as stack:
            pages = await opened(stack, house)
            await pages[0].ask("What is the capital of France?")
            for page in pages:
                assert await page.until_ended() == "complete"
            assert "Paris" in pages[2].answer
            assert len({page.answer for page in pages}) == 1
            await pages[1].ask("Count from 1 to 100")
            await pages[2].until(lambda it: len(it.answers) == 2 and bool(it.answer))
            await pages[2].act("stop")
            for page in pages:
                assert await page.until_ended(2) == "stopped"
            assert len({page.answer for page in pages}) == 1
