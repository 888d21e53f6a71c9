"""What every gate does, in memory and on the real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from pytest_django import Settings

from inference.errors import BusyError
from inference.gate import Gate, MemoryGate, get_gate
from inference.shared_gate import SharedGate
from tests.services import RedisServer

MakeGate = Callable[[int], Gate]


@pytest.fixture(params=["memory", "redis"])
async def make_gate(request: pytest.FixtureRequest) -> AsyncIterator[MakeGate]:
    if request.param == "memory":
        yield MemoryGate
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    gates: list[SharedGate] = []

    def make(width: int) -> Gate:
        gates.append(SharedGate(width, server.url))
        return gates[-1]

    yield make
    for gate in gates:
        await gate.close()


async def hold_until(gate: Gate, is_in: asyncio.Event, may_leave: asyncio.Event) -> None:
    async with gate.hold():
        is_in.set()
        await may_leave.wait()


async def test_who_comes_too_late_is_refused(make_gate: MakeGate) -> None:
    gate = make_gate(2)
    async with gate.hold():
        assert gate.held == 1
        async with gate.hold():
            assert gate.is_full
            assert (gate.held, gate.width) == (2, 2)
            with pytest.raises(BusyError):
                await gate.hold().__aenter__()
    assert gate.held == 0


async def test_who_was_refused_gets_in_when_a_place_is_free(make_gate: MakeGate) -> None:
    gate = make_gate(1)
    async with gate.hold():
        with pytest.raises(BusyError):
            await gate.hold().__aenter__()
    async with gate.hold():
        assert gate.is_full


async def test_it_cannot_leak_through_an_error(make_gate: MakeGate) -> None:
    gate = make_gate(1)
    with pytest.raises(ZeroDivisionError):
        async with gate.hold():
            1 / 0  # noqa: B018
    async with gate.hold():
        assert gate.is_full


@pytest.mark.parametrize("cancellations", [1, 2, 5])
async def test_it_cannot_leak_through_a_cancelled_task(make_gate: MakeGate, cancellations: int) -> None:
    gate = make_gate(1)
    is_in, is_free = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(hold_until(gate, is_in, asyncio.Event()))
    await is_in.wait()
    gate.subscribe(is_free.set)
    for _ in range(cancellations):
        task.cancel()
        await asyncio.sleep(0)
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    await is_free.wait()
    async with gate.hold():
        assert gate.held == 1


async def test_of_many_at_once_exactly_the_width_is_admitted(make_gate: MakeGate) -> None:
    gate = make_gate(3)
    may_leave = asyncio.Event()
    tasks = [asyncio.create_task(hold_until(gate, asyncio.Event(), may_leave)) for _ in range(20)]
    async with asyncio.timeout(30):
        while sum(task.done() for task in tasks) < 17 or gate.held < 3:
            await asyncio.sleep(0.01)
    assert gate.held == 3
    may_leave.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(BusyError) == 17
    assert outcomes.count(None) == 3
    assert gate.held == 0


async def test_every_change_is_told(make_gate: MakeGate) -> None:
    gate = make_gate(1)
    seen: list[int] = []
    gate.subscribe(lambda: seen.append(gate.held))
    async with gate.hold():
        assert seen == [1]
    assert seen == [1, 0]


async def test_a_listener_that_fails_harms_nobody(make_gate: MakeGate, caplog: pytest.LogCaptureFixture) -> None:
    gate = make_gate(1)
    seen: list[int] = []
    gate.subscribe(lambda: [].pop())
    gate.subscribe(lambda: seen.append(gate.held))
    async with gate.hold():
        pass
    assert seen == [1, 0]
    assert "IndexError" in caplog.text


@pytest.mark.parametrize(("url", "kind"), [("", MemoryGate), ("redis://127.0.0.1:1/0", SharedGate)])
def test_redis_url_chooses_the_gate(url: str, kind: type[Gate], settings: Settings) -> None:
    settings.REDIS_URL = url
    settings.MAX_CONCURRENT_GENERATIONS = 4
    get_gate.cache_clear()
    try:
        gate = get_gate()
        assert type(gate) is kind
        assert gate.width == 4
        assert get_gate() is gate
    finally:
        get_gate.cache_clear()
