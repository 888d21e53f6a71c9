"""A running message as pages see it: what is new goes out as numbered frames, the whole of it as a snapshot.

The thinking is text that grows; the answer is Markdown, rendered as it grows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from copy import copy

from chat import broadcast, fragments
from chat.markdown.open_blocks import Change
from chat.markdown.stream import Stream
from chat.models import Message
from inference.parser import Channel, Delta

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.05
AFTER_FLUSH_SECONDS = 0.02
"""What gathers comes in one go; where it does not, frames are at least so far apart."""
FACTS_SECONDS = 0.5


class LiveMessage:
    """Collects deltas; nothing of them is in the message, or on a page, before `flush` or `gather`."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self._reply = message.run
        self._sequence = 0
        self._pending: list[Delta] = []
        self._has_news = asyncio.Event()
        self._answer = Stream()
        self._is_broken = False
        self._facts_at = 0.0

    def take(self, deltas: Sequence[Delta]) -> None:
        self._pending.extend(deltas)
        self._has_news.set()

    def whole(self) -> Message:
        """As it is now, with what was taken and is on no page yet: what belongs to the tokens read so far."""
        whole = copy(self.message)
        whole.thinking += _text_of(self._pending, Channel.ANALYSIS)
        whole.text += _text_of(self._pending, Channel.FINAL)
        return whole

    def gather(self) -> tuple[str, Change | None]:
        """Move what was taken into the message; return the new thinking, and how the answer changes."""
        pending, self._pending = self._pending, []
        thinking = _text_of(pending, Channel.ANALYSIS)
        answer = _text_of(pending, Channel.FINAL)
        self.message.thinking += thinking
        self.message.text += answer
        return thinking, self._feed(answer) if answer else None

    def _feed(self, answer: str) -> Change:
        """Nothing more, up to the end, of an answer that cannot be rendered as it grows."""
        if self._is_broken:
            return Change()
        try:
            return self._answer.feed(answer)
        except Exception:  # ours, or the parser's fault: the text is safe, and its end is rendered anew
            logger.exception("Answer %d cannot be shown while it grows.", self.message.pk)
            self._is_broken = True
            return Change()

    async def flush_regularly(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            await self.flush()
            await asyncio.sleep(AFTER_FLUSH_SECONDS)

    async def flush(self) -> None:
        """Publish what was taken since the last time."""
        message = self.message
        had_thinking, had_answer = bool(message.thinking), bool(message.text)
        thinking, change = self.gather()
        if not thinking and change is None:
            return
        html = ""
        if message.thinking and (not had_thinking or (change and not had_answer)):
            html, thinking = fragments.thinking(message) + fragments.progress(message), ""
        elif time.monotonic() - self._facts_at > FACTS_SECONDS:
            html = fragments.facts(message)
            self._facts_at = time.monotonic()
        html = fragments.append(message, thinking, change) + html
        if html:
            await self.publish(self.frame(html))

    def frame(self, html: str, after: int | None = None) -> broadcast.Frame:
        """The next one; see `broadcast.Frame` for `after`."""
        self._sequence += 1
        return broadcast.frame(self.message.pk, self._reply, self._sequence, html, after)

    def snapshot(self) -> broadcast.Frame:
        return broadcast.snapshot(self.message.pk, self._reply, self._sequence, self.html())

    def html(self) -> str:
        """The message as the next frame goes on from it."""
        return fragments.live_message(self.message, self._answer)

    async def publish(self, frame: broadcast.Frame) -> None:
        await broadcast.publish(self.message.conversation_id, frame)

    async def publish_end(self) -> None:
        """The authoritative render: right for every page, whatever it has missed."""
        self._sequence += 1
        html = fragments.message(self.message) + fragments.actions(None) + fragments.announcement(self.message)
        html += fragments.meter_refresh()
        await self.publish(broadcast.snapshot(self.message.pk, self._reply, self._sequence, html, is_end=True))


def _text_of(deltas: list[Delta], channel: Channel) -> str:
    """NUL is no text: PostgreSQL refuses it, and no page shows it."""
    return "".join(delta.text for delta in deltas if delta.channel is channel).replace("\x00", "\ufffd")
