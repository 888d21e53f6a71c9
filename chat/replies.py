"""One answer, from the person's prompt to the saved message.

A reply runs in a task of its own: it outlives the request or socket that asked for it. It knows
nothing of either; pages hear it through `chat.broadcast`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from datetime import timedelta

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from chat import broadcast, fragments
from chat.models import TITLE_CHARACTERS, Conversation, Message, Role, Status, TokenIdsField
from inference.errors import BusyError, InferenceError
from inference.generation import Facts, Generation, Request, admit
from inference.harmony import Effort, Turn
from inference.parser import Channel, Delta

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.05
CHECKPOINT_SECONDS = 1.0
ABANDONED_SECONDS = 10.0
"""A running reply checkpoints every second; one silent for this long lost its process."""

SAVED_FIELDS = (
    "status",
    "text",
    "thinking",
    "error",
    "thinking_tokens",
    "answer_tokens",
    "first_token_seconds",
    "thinking_seconds",
    "total_seconds",
    "is_malformed",
)

_tasks: set[asyncio.Task[None]] = set()


async def submit(conversation: Conversation, prompt: str, effort: Effort) -> Message:
    """Save the prompt, start its answer, and return the answer's message.

    Raises InferenceError; then nothing was saved and nothing runs.
    """
    admitted: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    _start(Reply(conversation, prompt, effort, admitted).run())
    return await asyncio.shield(admitted)


def mark_abandoned() -> None:
    """Give replies whose process died their outcome; called when a server starts."""
    limit = timezone.now() - timedelta(seconds=ABANDONED_SECONDS)
    try:
        count = Message.objects.streaming().filter(saved_at__lt=limit).update(status=Status.INTERRUPTED)
    except DatabaseError as error:
        logger.error("The database cannot be used (%s). Run `python manage.py migrate`.", error)
        return
    if count:
        logger.warning("%d answers were interrupted by the last stop of the server; their text is kept.", count)


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
        try:
            history = await database_sync_to_async(self._load_history)()
            request = Request(self.prompt, timezone.localdate(), history, self.effort)
            async with admit(request) as generation:
                first_frame = await database_sync_to_async(self._save_turn)(generation)
                self.admitted.set_result(self.message)
                await self._stream(generation, first_frame)
        except InferenceError as error:
            self.admitted.set_exception(error)
        except BaseException as error:
            if not self.admitted.done():
                self.admitted.set_exception(error)
            raise
        else:
            await self._announce_end()

    def snapshot(self) -> broadcast.Frame:
        return broadcast.snapshot(self.message.pk, self.sequence, fragments.message(self.message))

    # --- while it runs ---

    async def _stream(self, generation: Generation, first_frame: str) -> None:
        """From the first frame to the saved outcome."""
        helpers = [
            asyncio.create_task(self._listen(generation)),
            asyncio.create_task(self._flush_regularly(generation)),
            asyncio.create_task(self._checkpoint_regularly(generation)),
        ]
        try:
            await self._publish(first_frame)
            async for deltas in generation.deltas():
                self._pending.extend(deltas)
                self._has_news.set()
        finally:
            for helper in helpers:
                helper.cancel()
            for result in await asyncio.gather(*helpers, return_exceptions=True):
                if isinstance(result, Exception):
                    logger.error("While answer %d ran: %r", self.message.pk, result)
            self._take_pending()
            self._settle(generation)
            await self._save(generation)

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
                    await broadcast.send(event["channel"], self.snapshot())
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
            try:
                await self._save(generation)
            except DatabaseError as error:  # the database's fault; the next checkpoint may succeed
                logger.error("Answer %d could not be saved for now: %s", self.message.pk, error)

    async def _flush(self, generation: Generation) -> None:
        """Publish what arrived since the last time."""
        had_thinking, had_answer = bool(self.message.thinking), bool(self.message.text)
        thinking, answer = self._take_pending()
        if not thinking and not answer:
            return
        self._note(generation.facts)
        html = ""
        if self.message.thinking and (not had_thinking or (answer and not had_answer)):
            html, thinking = fragments.thinking(self.message), ""
        await self._publish(html + fragments.append(self.message, thinking, answer))

    def _take_pending(self) -> tuple[str, str]:
        """Move what arrived into the message; return the new thinking and the new answer."""
        pending, self._pending = self._pending, []
        thinking = "".join(delta.text for delta in pending if delta.channel is Channel.ANALYSIS)
        answer = "".join(delta.text for delta in pending if delta.channel is Channel.FINAL)
        self.message.thinking += thinking
        self.message.text += answer
        return thinking, answer

    async def _publish(self, html: str) -> None:
        self.sequence += 1
        await broadcast.publish(self.conversation.pk, broadcast.frame(self.message.pk, self.sequence, html))

    # --- how it ends ---

    def _settle(self, generation: Generation) -> None:
        facts = generation.facts
        self._note(facts)
        self.message.status = Status(facts.outcome) if facts.outcome else Status.INTERRUPTED
        self.message.error = facts.error[:500]

    async def _announce_end(self) -> None:
        """The authoritative render: right for every page, whatever it has missed."""
        self.sequence += 1
        html = fragments.message(self.message) + fragments.actions(None)
        await broadcast.publish(self.conversation.pk, broadcast.snapshot(self.message.pk, self.sequence, html))

    # --- the database ---

    def _load_history(self) -> list[Turn]:
        """The turns on the path as it is now; of answers only the final text, as Harmony wants it."""
        self.conversation.refresh_from_db()
        turns: list[Turn] = []
        for message in self.conversation.path():
            if message.role == Role.USER:
                turns.append(Turn(message.text))
            elif turns and message.text:
                turns[-1] = Turn(turns[-1].prompt, message.text)
        return turns

    def _save_turn(self, generation: Generation) -> str:
        """Save prompt and empty answer in one transaction; returns how pages show them.

        Raises BusyError if another prompt of this conversation came first.
        """
        with transaction.atomic():
            conversation = Conversation.objects.select_for_update().get(pk=self.conversation.pk)
            leaf = conversation.leaf
            if conversation.leaf_id != self.conversation.leaf_id or (leaf is not None and leaf.is_streaming):
                raise BusyError
            prompt = conversation.messages.create(parent_id=conversation.leaf_id, role=Role.USER, text=self.prompt)
            answer = conversation.messages.create(
                parent=prompt,
                role=Role.ASSISTANT,
                status=Status.STREAMING,
                effort=self.effort,
                model=settings.MODEL_NAME,
                prompt_tokens=len(generation.prompt.token_ids),
                dropped_turns=generation.prompt.dropped_turns,
                prompt_token_ids=TokenIdsField.pack(generation.prompt.token_ids),
            )
            conversation.title = conversation.title or title_of(self.prompt)
            conversation.effort = self.effort
            conversation.leaf = answer
            conversation.updated_at = timezone.now()
            conversation.save()
        self.conversation, self.message = conversation, answer
        sidebar = fragments.sidebar(conversation.owner, conversation)
        return fragments.turn(prompt, answer) + fragments.actions(answer) + sidebar

    def _note(self, facts: Facts) -> None:
        message = self.message
        message.thinking_tokens, message.answer_tokens = facts.thinking_tokens, facts.answer_tokens
        message.first_token_seconds, message.thinking_seconds = (
            facts.first_token_seconds,
            facts.thinking_seconds,
        )
        message.total_seconds, message.is_malformed = facts.total_seconds, facts.is_malformed

    async def _save(self, generation: Generation) -> None:
        """Write what there is. A deleted conversation is no error: nothing is left to write to."""
        self._note(generation.facts)
        values = {name: getattr(self.message, name) for name in SAVED_FIELDS}
        values |= {"saved_at": timezone.now(), "token_ids": TokenIdsField.pack(generation.token_ids)}
        await database_sync_to_async(Message.objects.filter(pk=self.message.pk).update)(**values)


def title_of(prompt: str) -> str:
    """The prompt's first line, cut at a word."""
    line = " ".join(prompt.strip().splitlines()[0].split()) if prompt.strip() else ""
    if len(line) <= TITLE_CHARACTERS:
        return line
    return line[: TITLE_CHARACTERS + 1].rsplit(" ", 1)[0][:TITLE_CHARACTERS] + "…"
