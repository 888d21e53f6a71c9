"""One process listens once for all its pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import uuid4

import pytest
from channels.layers import BaseChannelLayer, channel_layers

from chat import audience as listening
from chat import broadcast
from chat.audience import Audience
from tests.chat.conftest import until

GROUP, OTHER = broadcast.conversation_group(uuid4()), broadcast.conversation_group(uuid4())


class Listener:
    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[object] = []

    def hear(self, event: Mapping[str, object]) -> None:
        self.heard.append(event["type"])


class Deaf(Listener):
    def hear(self, event: Mapping[str, object]) -> None:
        raise RuntimeError("This page cannot be told.")


@pytest.fixture
def layer() -> BaseChannelLayer:
    channel_layers.backends.clear()
    return broadcast.channel_layer()


@pytest.fixture
def audience(layer: BaseChannelLayer) -> Audience:
    return Audience()


def listeners(layer: BaseChannelLayer) -> dict[str, int]:
    """How many channels hear each group; Redis has something before the names."""
    groups: dict[str, object] = layer.groups  # type: ignore[attr-defined]
    return {group.removeprefix("asgi__group__"): len(channels) for group, channels in groups.items()}  # type: ignore[arg-type]


async def test_many_pages_take_one_place_at_the_layer_and_give_it_back(
    layer: BaseChannelLayer, audience: Audience
) -> None:
    pages = [Listener(str(number)) for number in range(20)]
    for page in pages:
        await audience.enter(page, [GROUP, broadcast.SITE_GROUP])
    assert listeners(layer) == {GROUP: 1, broadcast.SITE_GROUP: 1}
    await broadcast._tell(GROUP, "move")
    await until(lambda: all(page.heard == ["move"] for page in pages))
    for page in pages[1:]:
        await audience.leave(page)
    assert listeners(layer) == {GROUP: 1, broadcast.SITE_GROUP: 1}
    await broadcast.announce_status()
    await until(lambda: pages[0].heard == ["move", "status"])
    await audience.leave(pages[0])
    await audience.leave(pages[0])
    assert listeners(layer) == {}
    assert [page.heard for page in pages[1:]] == [["move"]] * 19


async def test_each_hears_what_is_for_it(audience: Audience) -> None:
    one, two = Listener("1"), Listener("2")
    await audience.enter(one, [GROUP])
    await audience.enter(two, [OTHER])
    await broadcast._tell(GROUP, "for the first group")
    await broadcast.channel_layer().send(audience.channel, {"type": "for the second page", "to": two.name})
    await until(lambda: bool(one.heard and two.heard))
    assert (one.heard, two.heard) == (["for the first group"], ["for the second page"])
    await audience.leave(one)
    await audience.leave(two)


async def test_a_page_that_cannot_be_told_is_in_nobodys_way(
    audience: Audience, caplog: pytest.LogCaptureFixture
) -> None:
    pages = [Deaf("1"), Listener("2"), Deaf("3"), Listener("4")]
    for page in pages:
        await audience.enter(page, [GROUP])
    for _ in range(2):
        await broadcast._tell(GROUP, "move")
    await until(lambda: [len(page.heard) for page in pages] == [0, 2, 0, 2])
    assert caplog.text.count("A page could not be told.") == 4
    for page in pages:
        await audience.leave(page)


async def test_a_layer_that_is_away_for_a_while_is_listened_to_again(
    layer: BaseChannelLayer, audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LISTEN_AGAIN_SECONDS", 0.01)
    receive, failures = layer.receive, [ConnectionError("Redis is away.")] * 3

    async def failing(channel: str) -> object:
        if failures:
            raise failures.pop()
        return await receive(channel)

    monkeypatch.setattr(layer, "receive", failing)
    page = Listener("1")
    await audience.enter(page, [GROUP])
    await broadcast._tell(GROUP, "move")
    await until(lambda: page.heard == ["move"])
    assert not failures
    await audience.leave(page)


async def test_the_others_hear_on_when_the_first_page_has_left(audience: Audience) -> None:
    pages = [Listener("1"), Listener("2")]
    await asyncio.create_task(audience.enter(pages[0], [GROUP]))
    await audience.enter(pages[1], [GROUP])
    await audience.leave(pages[0])
    await broadcast._tell(GROUP, "move")
    await until(lambda: pages[1].heard == ["move"])
    await audience.leave(pages[1])
