"""Who hears what, over the channel layer: pages hear replies, replies hear pages, all hear the engine.

The layer may drop a message without a word, so frames are numbered and a gap asks for a snapshot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypedDict, cast
from uuid import UUID

from channels.layers import BaseChannelLayer, get_channel_layer

from inference.gate import get_gate
from inference.supervisor import get_supervisor

logger = logging.getLogger(__name__)

SITE_GROUP = "site"


class Event(TypedDict):
    """What open pages hear. On its way it has `to`, too: the group that it is for, or the one page."""

    type: str


class Frame(Event):
    """One change of a running message. `sequence` counts from 1 for each `reply`, which is one running of it.

    `after` is the message that a page must end with for the first frame to fit; None fits any page.
    """

    message: int
    reply: str
    sequence: int
    html: str
    after: int | None
    is_end: bool


def channel_layer() -> BaseChannelLayer:
    """The layer that the settings name."""
    return cast(BaseChannelLayer, get_channel_layer())


def conversation_group(conversation_id: UUID) -> str:
    return f"conversation.{conversation_id.hex}"


def reply_group(message_id: int) -> str:
    """Where the reply that writes this message listens."""
    return f"reply.{message_id}"


def frame(message_id: int, reply: str, sequence: int, html: str, after: int | None = None) -> Frame:
    return Frame(type="frame", message=message_id, reply=reply, sequence=sequence, html=html, after=after, is_end=False)


def snapshot(message_id: int, reply: str, sequence: int, html: str, *, is_end: bool = False) -> Frame:
    """The whole message as it was after frame `sequence`; `is_end`: no other frame follows."""
    return Frame(
        type="snapshot", message=message_id, reply=reply, sequence=sequence, html=html, after=None, is_end=is_end
    )


async def publish(conversation_id: UUID, event: Frame) -> None:
    """Tell every page. What cannot be delivered is logged and given up: the page will miss it and ask."""
    try:
        await _send(conversation_group(conversation_id), event)
    except Exception:  # the layer's fault (Redis is away); the answer itself goes on
        logger.exception("A frame of message %d was not delivered.", event["message"])


async def send(channel: str, page: str, event: Frame) -> None:
    """Tell one page, of those that hear by `channel`; given up like `publish`."""
    try:
        await channel_layer().send(channel, {**event, "to": page})
    except Exception:  # the page's queue is full, or the layer is away
        logger.exception("A snapshot of message %d was not delivered.", event["message"])


async def ask_for_snapshot(message_id: int, channel: str, page: str) -> None:
    """The reply, if it still runs anywhere, sends a snapshot to that page, which hears by `channel`."""
    await channel_layer().group_send(reply_group(message_id), {"type": "snapshot", "channel": channel, "page": page})


async def stop(message_id: int) -> None:
    """The reply, if it still runs anywhere, ends where it is."""
    await channel_layer().group_send(reply_group(message_id), {"type": "stop"})


async def answer_now(message_id: int) -> None:
    """The reply, if it still runs anywhere, ends its thinking and answers."""
    await channel_layer().group_send(reply_group(message_id), {"type": "answer_now"})


async def announce_move(conversation_id: UUID) -> None:
    """Every open page of the conversation shows it as it is saved now."""
    await _tell(conversation_group(conversation_id), "move")


async def announce_status() -> None:
    """Every open page shows the state of engine and gate anew."""
    await _tell(SITE_GROUP, "status")


async def _tell(group: str, kind: str) -> None:
    try:
        await _send(group, Event(type=kind))
    except Exception:  # the layer's fault; pages that come later ask for themselves
        logger.exception("Pages could not be told (%s).", kind)


async def _send(group: str, event: Event) -> None:
    await channel_layer().group_send(group, {**event, "to": group})


class StatusWatch:
    """Announces each change of the engine's or the gate's state; started by the first open page."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Must be called on the server's event loop. Harmless when repeated."""
        if self._loop is None:
            get_gate().subscribe(self._announce)
            get_supervisor().subscribe(self._announce_from_thread)
        self._loop = asyncio.get_running_loop()

    def _announce(self) -> None:
        task = asyncio.get_running_loop().create_task(announce_status())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _announce_from_thread(self, *_: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._announce)


watch: Callable[[], None] = StatusWatch().start
