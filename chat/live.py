"""A running message as pages see it: what is new goes out as numbered frames, the whole of it as a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chat import broadcast, fragments
from chat.models import Message
from inference.parser import Channel, Delta

FLUSH_SECONDS = 0.05


class LiveMessage:
    """Collects deltas; nothing of them is in the message, or on a page, before `flush` or `gather`."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self._reply = message.run
        self._sequence = 0
        self._pending: list[Delta] = []
        self._has_news = asyncio.Event()

    def take(self, deltas: Sequence[Delta]) -> None:
        self._pending.extend(deltas)
        self._has_news.set()

    def gather(self) -> tuple[str, str]:
        """Move what was taken into the message; return the new thinking and the new answer."""
        pending, self._pending = self._pending, []
        thinking = _text_of(pending, Channel.ANALYSIS)
        answer = _text_of(pending, Channel.FINAL)
        self.message.thinking += thinking
        self.message.text += answer
        return thinking, answer

    async def flush_regularly(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            await self.flush()
            await asyncio.sleep(FLUSH_SECONDS)

    async def flush(self) -> None:
        """Publish what was taken since the last time."""
        message = self.message
        had_thinking, had_answer = bool(message.thinking), bool(message.text)
        thinking, answer = self.gather()
        if not thinking and not answer:
            return
        html = ""
        if message.thinking and (not had_thinking or (answer and not had_answer)):
            html, thinking = fragments.thinking(message) + fragments.progress(message), ""
        await self.publish(self.frame(html + fragments.append(message, thinking, answer)))

    def frame(self, html: str, after: int | None = None) -> broadcast.Frame:
        """The next one; see `broadcast.Frame` for `after`."""
        self._sequence += 1
        return broadcast.frame(self.message.pk, self._reply, self._sequence, html, after)

    def snapshot(self) -> broadcast.Frame:
        return broadcast.snapshot(self.message.pk, self._reply, self._sequence, fragments.message(self.message))

    async def publish(self, frame: broadcast.Frame) -> None:
        await broadcast.publish(self.message.conversation_id, frame)

    async def publish_end(self) -> None:
        """The authoritative render: right for every page, whatever it has missed."""
        self._sequence += 1
        html = fragments.message(self.message) + fragments.actions(None)
        await self.publish(broadcast.snapshot(self.message.pk, self._reply, self._sequence, html, is_end=True))


def _text_of(deltas: list[Delta], channel: Channel) -> str:
    """NUL is no text: PostgreSQL refuses it, and no page shows it."""
    return "".join(delta.text for delta in deltas if delta.channel is channel).replace("\x00", "\ufffd")
