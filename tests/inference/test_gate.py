from __future__ import annotations

import asyncio

import pytest

from inference.errors import BusyError
from inference.gate import Gate


def test_who_comes_too_late_is_refused() -> None:
    gate = Gate(2)
    with gate.hold(), gate.hold():
        assert gate.is_full
        with pytest.raises(BusyError), gate.hold():
            pass
    assert gate.held == 0


def test_it_cannot_leak_through_an_error() -> None:
    gate = Gate(1)
    with pytest.raises(ZeroDivisionError), gate.hold():
        1 / 0  # noqa: B018
    with gate.hold():
        assert gate.is_full


async def test_it_cannot_leak_through_a_cancelled_task() -> None:
    gate = Gate(1)

    async def hold_for_ever() -> None:
        with gate.hold():
            await asyncio.Event().wait()

    task = asyncio.create_task(hold_for_ever())
    await asyncio.sleep(0)
    assert gate.is_full
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not gate.is_full


def test_every_change_is_told() -> None:
    gate = Gate(1)
    seen: list[int] = []
    gate.subscribe(lambda: seen.append(gate.held))
    with gate.hold():
        pass
    assert seen == [1, 0]
