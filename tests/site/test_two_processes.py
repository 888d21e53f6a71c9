"""Two server processes share a database, Redis and one engine: it makes no difference which of them one asks."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.shared_gate import LEASE_SECONDS
from tests.scripted_server import Script, ScriptedServer, harmony, reply
from tests.services import RedisServer
from tests.site_process import SiteProcess
from tests.viewer import Person, Viewer

logger = logging.getLogger(__name__)

NOTICED_SECONDS = LEASE_SECONDS + 5
HALF = harmony("<|channel|>final<|message|>Half an ans")
WHOLE = [*HALF, *harmony("wer 👩‍🚀, whole.<|return|>")]

Sites = tuple[SiteProcess, SiteProcess]


@pytest.fixture
def sites(script: ScriptedServer, tmp_path: Path) -> Iterator[Sites]:
    redis = RedisServer(tmp_path)
    redis.start()
    settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": script.url, "MODEL_NAME": "scripted"}
    first, second = (SiteProcess(tmp_path, REDIS_URL=redis.url, **settings) for _ in range(2))
    first.prepare()
    try:
        yield first.start().wait_ready(), second.start().wait_ready()
    finally:
        first.stop()
        second.stop()
        redis.stop()


@pytest.fixture
def half(script: ScriptedServer) -> Script:
    """The next answer stays at its half until its `hold` is set."""
    answer = Script(WHOLE, hold=threading.Event(), hold_at=len(HALF))
    script.scripts.append(answer)
    return answer


async def until_saved(site: SiteProcess, message: int) -> None:
    async with asyncio.timeout(10):
        while site.saved(message).text != "Half an ans":
            await asyncio.sleep(0.05)


def let_go(answer: Script) -> None:
    assert answer.hold
    answer.hold.set()


async def test_pages_of_both_show_the_same_live_text_and_stop_the_same_answer(
    sites: Sites, script: ScriptedServer, half: Script
) -> None:
    ann = Person(sites[0])
    path = ann.new_conversation(sites[0])
    async with Viewer(ann, sites[0], path) as first, Viewer(ann, sites[1], path) as second:
        await first.ask("Hello")
        for viewer in (first, second):
            await viewer.until(lambda it: it.answer == "Half an ans")
            assert viewer.status == "streaming"
        let_go(half)
        for viewer in (first, second):
            assert await viewer.until_ended() == "complete"
            assert viewer.answer == "Half an answer 👩‍🚀, whole."
        script.scripts.append(Script(WHOLE, hold=threading.Event(), hold_at=len(HALF)))
        await first.ask("Hello again")
        await second.until(lambda it: len(it.answers) == 2 and it.answer == "Half an ans")
        await second.act("stop")
        for viewer in (first, second):
            assert await viewer.until_ended(2) == "stopped"
            assert viewer.answer == "Half an ans"
            await viewer.until(lambda it: it.engine_state == "ready")


async def test_the_gate_is_one_for_both(sites: Sites, script: ScriptedServer, half: Script) -> None:
    ann, bob = Person(sites[0], "ann"), Person(sites[1], "bob")
    async with (
        Viewer(ann, sites[0], ann.new_conversation(sites[0])) as first,
        Viewer(bob, sites[1], bob.new_conversation(sites[1])) as second,
    ):
        await first.ask("Hello")
        await first.until(lambda it: it.answer == "Half an ans")
        await second.until(lambda it: it.engine_state == "generating")
        await second.ask("And me?")
        await second.until(lambda it: "busy" in it.alert)
        assert not second.prompts
        let_go(half)
        await second.until(lambda it: "free again" in it.alert, seconds=5)
        script.scripts.append(Script(reply("", "Yes, you.")))
        await second.ask("And me?")
        assert await second.until_ended() == "complete"
        assert second.answer == "Yes, you."


async def test_a_killed_process_takes_neither_the_answer_nor_the_gate_with_it(
    sites: Sites, script: ScriptedServer, half: Script
) -> None:
    ann = Person(sites[0])
    path = ann.new_conversation(sites[0])
    async with Viewer(ann, sites[0], path) as first, Viewer(ann, sites[1], path) as second:
        await first.ask("Hello")
        for viewer in (first, second):
            await viewer.until(lambda it: it.answer == "Half an ans")
        await until_saved(sites[0], first.message)
        sites[0].stop(signal.SIGKILL)
        killed_at = time.monotonic()
        assert await second.until_ended(seconds=NOTICED_SECONDS) == "interrupted"
        assert second.answer == "Half an ans"
        logger.info("Interrupted after %.1f s.", time.monotonic() - killed_at)
        await second.until(
            lambda it: it.engine_state == "ready", seconds=NOTICED_SECONDS + killed_at - time.monotonic()
        )
        logger.info("The gate was free after %.1f s.", time.monotonic() - killed_at)
        script.scripts.append(Script(WHOLE[len(HALF) :]))
        await second.act("continue")
        await second.until(lambda it: it.status == "complete")
        assert second.answer == "Half an answer 👩‍🚀, whole."
        assert len(second.answers) == 1
