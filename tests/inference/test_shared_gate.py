"""The gate on the real Redis: several processes, and what becomes of a place when one of them, or Redis, dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from redis import Redis

from inference.errors import BusyError, GateUnreachableError, InferenceError
from inference.shared_gate import KEY, SharedGate
from tests.services import RedisServer
from tests.site_process import ROOT, free_port

LEASE_SECONDS = 2.0
ANSWER_SECONDS = 2.0
SLOW_SECONDS = 2.0
"""What a busy machine may add."""

HOLD = """
import asyncio, sys
from inference.shared_gate import SharedGate

async def main():
    async with SharedGate(1, sys.argv[1], lease_seconds=float(sys.argv[2])).hold():
        print("in", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""

CONTEND = """
import asyncio, sys
from redis.asyncio import Redis
from inference.errors import BusyError
from inference.shared_gate import SharedGate

TASKS, WIDTH = 25, 3

async def hold_once(gate, client):
    while True:
        try:
            async with gate.hold():
                inside = await client.incr("inside")
                for _ in range(5):
                    await client.ping()
                await client.decr("inside")
                return inside
        except BusyError:
            await asyncio.sleep(0.01)

async def main():
    gate = SharedGate(WIDTH, sys.argv[1])
    async with Redis.from_url(sys.argv[1]) as client:
        await client.incr("here")
        while int(await client.get("here")) < 2:
            await asyncio.sleep(0.001)
        print(max(await asyncio.gather(*(hold_once(gate, client) for _ in range(TASKS)))))

asyncio.run(main())
"""


def run_beside(script: str, *arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def holder(server: RedisServer) -> subprocess.Popen[str]:
    """A process that is in."""
    process = run_beside(HOLD, server.url, str(LEASE_SECONDS))
    assert process.stdout
    assert process.stdout.readline() == "in\n"
    return process


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def new_gate(stack: AsyncExitStack, url: str, lease_seconds: float = LEASE_SECONDS) -> SharedGate:
    gate = SharedGate(1, url, lease_seconds=lease_seconds, poll_seconds=0.05)
    stack.push_async_callback(gate.close)
    return gate


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def enter_refused(gate: SharedGate) -> type[InferenceError]:
    """Why nobody gets in."""
    with pytest.raises(InferenceError) as caught:
        await gate.hold().__aenter__()
    return type(caught.value)


def test_many_in_two_processes_never_exceed_the_width(redis_server: RedisServer) -> None:
    processes = [run_beside(CONTEND, redis_server.url) for _ in range(2)]
    answers, errors = zip(*[process.communicate(timeout=60) for process in processes], strict=True)
    assert errors == ("", "")
    assert max(map(int, answers)) == 3
    with Redis.from_url(redis_server.url) as client:
        assert client.zcard(KEY) == 0


async def test_a_change_of_another_process_is_told_here(redis_server: RedisServer, stack: AsyncExitStack) -> None:
    gate = new_gate(stack, redis_server.url)
    seen: list[int] = []
    gate.subscribe(lambda: seen.append(gate.held))
    process = await asyncio.to_thread(holder, redis_server)
    await until(lambda: seen == [1])
    assert await enter_refused(gate) is BusyError
    _, errors = await asyncio.to_thread(process.communicate, "\n")
    await until(lambda: seen == [1, 0])
    assert errors == ""


async def test_who_is_refused_knows_at_once_that_it_is_full(redis_server: RedisServer, stack: AsyncExitStack) -> None:
    gate = SharedGate(1, redis_server.url, poll_seconds=3600)
    stack.push_async_callback(gate.close)
    async with gate.hold():
        pass
    async with new_gate(stack, redis_server.url).hold():
        assert await enter_refused(gate) is BusyError
        assert gate.is_full


async def test_the_place_of_a_killed_holder_is_free_within_its_lease(
    redis_server: RedisServer, stack: AsyncExitStack
) -> None:
    gate = new_gate(stack, redis_server.url)
    seen: list[int] = []
    with await asyncio.to_thread(holder, redis_server) as process:
        gate.subscribe(lambda: seen.append(gate.held))
        await until(lambda: seen == [1])
        process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        assert await enter_refused(gate) is BusyError
        await until(lambda: seen == [1, 0])
        async with gate.hold():
            assert time.monotonic() - killed < LEASE_SECONDS + SLOW_SECONDS


async def test_renewal_keeps_a_long_holder_in(redis_server: RedisServer, stack: AsyncExitStack) -> None:
    gate, other = new_gate(stack, redis_server.url), new_gate(stack, redis_server.url)
    with Redis.from_url(redis_server.url) as client:
        async with gate.hold():
            [(token, first_end)] = client.zrange(KEY, 0, -1, withscores=True)
            await until(lambda: client.time()[0] * 1000 > first_end + 1000)
            assert await enter_refused(other) is BusyError
            assert client.zrange(KEY, 0, -1) == [token]


async def test_redis_may_go_and_come_back_while_a_place_is_held(
    redis_server: RedisServer, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    gate, other = new_gate(stack, redis_server.url), new_gate(stack, redis_server.url)
    seen: list[int] = []
    other.subscribe(lambda: seen.append(other.held))
    async with gate.hold():
        await until(lambda: seen == [1])
        redis_server.stop()
        await until(lambda: "could not be renewed" in caplog.text and "cannot be watched" in caplog.text)
        assert gate.held == 1
        assert await enter_refused(other) is GateUnreachableError
        redis_server.start()  # empty: the holder must take its place again
        with Redis.from_url(redis_server.url) as client:
            await until(lambda: client.zcard(KEY) == 1)
        assert await enter_refused(other) is BusyError
        await until(lambda: other.held == 1)
    await until(lambda: other.held == 0)
    async with other.hold():
        pass


async def test_a_place_given_back_while_redis_is_away_is_no_error(
    redis_server: RedisServer, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    gate = new_gate(stack, redis_server.url)
    async with gate.hold():
        redis_server.stop()
    assert gate.held == 0
    assert "could not be given back" in caplog.text


async def test_without_redis_there_is_a_clear_error_at_once(stack: AsyncExitStack) -> None:
    gate = new_gate(stack, f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(GateUnreachableError, match=r"could not be checked.*try again"):
        await asyncio.wait_for(gate.hold().__aenter__(), ANSWER_SECONDS)
    assert gate.held == 0


async def test_a_frozen_redis_is_not_waited_for(redis_server: RedisServer, stack: AsyncExitStack) -> None:
    gate = new_gate(stack, redis_server.url)
    redis_server.freeze()
    async with asyncio.timeout(ANSWER_SECONDS + SLOW_SECONDS):
        assert await enter_refused(gate) is GateUnreachableError
    redis_server.thaw()
    async with gate.hold():
        pass


async def test_who_is_cancelled_at_the_door_leaves_nothing(redis_server: RedisServer, stack: AsyncExitStack) -> None:
    gate = new_gate(stack, redis_server.url)
    redis_server.freeze()
    task = asyncio.create_task(gate.hold().__aenter__())
    await asyncio.sleep(0)
    task.cancel()
    redis_server.thaw()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with gate.hold():
        assert gate.held == 1


async def test_all_connections_are_closed(redis_server: RedisServer, stack: AsyncExitStack) -> None:
    gate = new_gate(stack, redis_server.url)
    with Redis.from_url(redis_server.url) as client:
        async with gate.hold():
            assert await enter_refused(gate) is BusyError
            assert len(client.client_list()) > 1
        await gate.close()
        await until(lambda: len(client.client_list()) == 1)


def test_it_may_be_used_by_one_event_loop_after_another(redis_server: RedisServer) -> None:
    gate = SharedGate(1, redis_server.url)
    seen: list[int] = []
    gate.subscribe(lambda: seen.append(gate.held))  # no loop runs yet

    async def hold() -> None:
        async with gate.hold():
            assert gate.is_full

    async def hold_and_watch() -> None:
        await hold()
        with Redis.from_url(redis_server.url) as client:
            client.zadd(KEY, {"another": 1e15})
        await until(lambda: gate.held == 1)

    asyncio.run(hold())
    asyncio.run(hold_and_watch())
    assert seen == [1, 0, 1, 0, 1]
