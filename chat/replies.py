"""One answer, from the person's prompt to the saved message.

A reply runs in a task of its own: it outlives the request or socket that asked for it. It knows
nothing of either; pages hear it through `chat.broadcast`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing

from channels.db import database_sync_to_async
from django.utils import timezone

from chat import broadcast, fragments, turns
from chat.models import Conversation, Message, Status
from inference.generation import Generation, Request, admit
from inference.harmony import Effort
from inference.parser import Channel, Delta

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.05
CHECKPOINT_SECONDS = 1.0
CANCEL_AGAIN_SECONDS = 0.05
LAST_SAVE_PAUSES_SECONDS = (0.5, 2.0, 8.0)

Deltas = AsyncGenerator[list[Delta], None]

_tasks: set[asyncio.Task[None]] = set()


async def submit(conversation: Conversation, prompt: str, effort: Effort) -> Message:
    """Save the prompt, start its answer, and return the answer's message.

    Raises InferenceError, or the database's error; then nothing was saved and nothing runs.
    """
    admitted: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    _start(Reply(conversation, prompt, effort, admitted).run())
    return await asyncio.shield(admitted)


def _start(coroutine: Coroutine[None, None, None]) -> None:
    """Run it apart from the caller: nothing of the request's context, and not cancelled with it."""
    task = asyncio.get_running_loop().create_task(coroutine, context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


class Reply:
    """Runs one generation: checkpoints it, publishes it as frames, finishes it."""

    def __init__(
        self, conversation: Conversation, prompt: str, effort: Effort, admitted: asyncio.Future[Message]
    ) -> None:
        self.conversation = conversation
        self.prompt = prompt
        self.effort = effort
        self.admitted = admitted
        self.message = Message()
        self.sequence = 0
        self._pending: list[Delta] = []
        self._has_news = asyncio.Event()

    async def run(self) -> None:
        """Before the answer is admitted an error is the asker's; afterwards it becomes the outcome."""
        try:
            history = await database_sync_to_async(turns.history)(self.conversation)
            request = Request(self.prompt, timezone.localdate(), history, self.effort)
            async with admit(request) as generation, aclosing(generation.deltas()) as stream:
                # The engine begins while the turn is saved: the first token comes some milliseconds sooner.
                first = asyncio.ensure_future(anext(stream, []))
                try:
                    first_frame = await database_sync_to_async(self._begin)(generation)
                except BaseException:
                    first.cancel()
                    await asyncio.gather(first, return_exceptions=True)
                    raise
                self.admitted.set_result(self.message)
                await self._stream(generation, first_frame, first, stream)
        except Exception as error:
            if not self.admitted.done():
                self.admitted.set_exception(error)
            else:
                logger.exception("Answer %d broke.", self.message.pk)
        finally:
            if self.message.pk:
                await self._announce_end()

    def _begin(self, generation: Generation) -> str:
        """Save the turn; returns how pages show it."""
        is_new = self.conversation.leaf_id is None
        asked, answer = turns.begin(
            self.conversation, self.prompt, self.effort, generation.prompt, generation.sampling.max_tokens
        )
        self.conversation, self.message = answer.conversation, answer
        sidebar = fragments.sidebar_top(self.conversation, is_new=is_new)
        return fragments.turn(asked, answer) + fragments.actions(answer) + sidebar

    async def _stream(
        self, generation: Generation, first_frame: str, first: asyncio.Future[list[Delta]], stream: Deltas
    ) -> None:
        """From the first frame to the saved outcome."""
        helpers = [
            asyncio.create_task(self._listen(generation)),
            asyncio.create_task(self._flush_regularly(generation)),
            asyncio.create_task(self._checkpoint_regularly(generation)),
        ]
        try:
            await self._publish(first_frame)
            self._take(await first)
            async for deltas in stream:
                self._take(deltas)
        except Exception:  # our own code: the generation has made all others an outcome
            generation.facts.error = generation.facts.error or "The answer broke off by an error of the server."
            raise
        finally:
            await _end(helpers)
            await self._finish(generation)

    def _take(self, deltas: list[Delta]) -> None:
        self._pending.extend(deltas)
        self._has_news.set()

    async def _listen(self, generation: Generation) -> None:
        """Answer the pages: snapshots, and Stop."""
        layer = broadcast.channel_layer()
        channel = await layer.new_channel()
        group = broadcast.reply_group(self.message.pk)
        await layer.group_add(group, channel)
        try:
            while True:
                event = await layer.receive(channel)
                if event["type"] == "stop":
                    await generation.stop()
                else:
                    await broadcast.send(event["channel"], self._snapshot(fragments.message(self.message)))
        finally:
            await layer.group_discard(group, channel)

    async def _flush_regularly(self, generation: Generation) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            await self._flush(generation)
            await asyncio.sleep(FLUSH_SECONDS)

    async def _checkpoint_regularly(self, generation: Generation) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            await self._flush(generation)
            await self._save(generation)

    async def _flush(self, generation: Generation) -> None:
        """Publish what arrived since the last time."""
        had_thinking, had_answer = bool(self.message.thinking), bool(self.message.text)
        thinking, answer = self._take_pending()
        if not thinking and not answer:
            return
        turns.note(self.message, generation.facts)
        html = ""
        if self.message.thinking and (not had_thinking or (answer and not had_answer)):
            html, thinking = fragments.thinking(self.message), ""
        await self._publish(html + fragments.append(self.message, thinking, answer))

    def _take_pending(self) -> tuple[str, str]:
        """Move what arrived into the message; return the new thinking and the new answer."""
        pending, self._pending = self._pending, []
        thinking = _text_of(pending, Channel.ANALYSIS)
        answer = _text_of(pending, Channel.FINAL)
        self.message.thinking += thinking
        self.message.text += answer
        return thinking, answer

    async def _publish(self, html: str) -> None:
        self.sequence += 1
        await broadcast.publish(self.conversation.pk, broadcast.frame(self.message.pk, self.sequence, html))

    def _snapshot(self, html: str) -> broadcast.Frame:
        return broadcast.snapshot(self.message.pk, self.sequence, html)

    async def _finish(self, generation: Generation) -> None:
        """Give it its outcome, and save it even if the database needs a moment."""
        self._take_pending()
        facts = generation.facts
        turns.note(self.message, facts)
        self.message.error = facts.error[:500]
        self.message.status = Status(facts.outcome or (Status.FAILED if facts.error else Status.INTERRUPTED))
        for pause_seconds in LAST_SAVE_PAUSES_SECONDS:
            if await self._save(generation):
                return
            await asyncio.sleep(pause_seconds)
        await self._save(generation)

    async def _save(self, generation: Generation) -> bool:
        turns.note(self.message, generation.facts)
        try:
            await database_sync_to_async(turns.save)(self.message, generation.token_ids)
        except Exception:  # the database's fault; the next checkpoint may succeed
            logger.exception("Answer %d could not be saved for now.", self.message.pk)
            return False
        return True

    async def _announce_end(self) -> None:
        """The authoritative render: right for every page, whatever it has missed."""
        self.sequence += 1
        html = fragments.message(self.message) + fragments.actions(None)
        await broadcast.publish(self.conversation.pk, self._snapshot(html))


async def _end(helpers: list[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: Redis's client swallows a cancellation while it subscribes."""
    pending = set(helpers)
    while pending:
        for helper in pending:
            helper.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)


def _text_of(deltas: list[Delta], channel: Channel) -> str:
    """NUL is no text: PostgreSQL refuses it, and no page shows it."""
    return "".join(delta.text for delta in deltas if delta.channel is channel).replace("\x00", "\ufffd")
