"""One answer, from the person's prompt to the saved message.

A reply runs in a task of its own: it outlives the request or socket that asked for it. It knows
nothing of either; pages hear it through `chat.broadcast`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from copy import copy

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import gettext

from chat import broadcast, fragments, metrics, sidebar, turns
from chat.live import FLUSH_SECONDS, LiveMessage
from chat.models import Conversation, Message, Status
from chat.orders import Ask, Continue, Order
from inference import request_id
from inference.generation import Generation, admit
from inference.models import Source
from inference.parser import Delta
from inference.usage import Caller

logger = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 0.8
"""So that, with the writing itself, a crash costs less than a second of text."""
CANCEL_AGAIN_SECONDS = 0.05
LISTEN_AGAIN_SECONDS = 1.0
SAVE_AGAIN_SECONDS = 2.0

Deltas = AsyncGenerator[list[Delta], None]

_tasks: set[asyncio.Task[None]] = set()
_running: set[Reply] = set()
metrics.RUNNING_REPLIES.set_function(lambda: len(_running))


async def submit(conversation: Conversation, order: Order) -> Message:
    """Save what is ordered, start its answer, and return the answer's message.

    Raises InferenceError, or the database's error; then nothing was saved and nothing runs.
    """
    admitted: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    _start(Reply(conversation, order, admitted).run())
    return await asyncio.shield(admitted)


def _start(coroutine: Coroutine[None, None, None]) -> None:
    """Run it apart from the caller: nothing of the request's context, and not cancelled with it."""
    task = asyncio.get_running_loop().create_task(coroutine, context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def save_before_exit() -> None:
    """The server ends while answers run: each keeps its last words, and can go on after the restart."""
    for reply in list(_running):
        reply.interrupt()


def _save_first_at_exit() -> None:
    """What is registered last runs first: the engine's end takes seconds."""
    atexit.unregister(save_before_exit)
    atexit.register(save_before_exit)


class Reply:
    """Runs one generation: publishes it live, checkpoints it, finishes it."""

    def __init__(self, conversation: Conversation, order: Order, admitted: asyncio.Future[Message]) -> None:
        self.conversation = copy(conversation)  # what others reload meanwhile is another one
        self.order = order
        self.admitted = admitted
        self.message = Message()
        self.live = LiveMessage(self.message)
        self.generation: Generation | None = None
        self.taken_tokens = 0
        """Whose text is in the message, or goes there next; what was read since is saved neither way."""
        self.is_saved = False
        """Whether nothing is left to save."""
        self.is_wanted = True
        """Whether its conversation is still there: a deletion may come before the answer listens."""
        self.language = translation.get_language() or settings.LANGUAGE_CODE
        """The asker's: what pages are told of the answer is written in it."""
        self.request_id = request_id.current_or_new()

    async def run(self) -> None:
        """Before the answer is admitted an error is the asker's; afterwards it becomes the outcome."""
        translation.activate(self.language)
        request_id.begin(self.request_id)
        try:
            request = await database_sync_to_async(self.order.request)(self.conversation)
            caller = Caller(Source.CHAT, self.conversation.owner_id)
            async with admit(request, caller) as generation, aclosing(generation.deltas(FLUSH_SECONDS)) as stream:
                # The engine begins while the turn is saved: the first token comes some milliseconds sooner.
                first = asyncio.ensure_future(anext(stream, []))
                try:
                    await database_sync_to_async(self._begin)(generation)
                    self.admitted.set_result(self.message)
                    await self._stream(generation, first, stream)
                finally:
                    first.cancel()
                    await asyncio.gather(first, return_exceptions=True)
        except Exception as error:
            if not self.admitted.done():
                self.admitted.set_exception(error)
            else:
                logger.exception("Answer %d broke.", self.message.pk)
        finally:
            self.admitted.cancel()  # where it was never decided
            if self.message.pk:
                await self._publish_end()
                await self._save_at_last()
            _running.discard(self)

    def _begin(self, generation: Generation) -> None:
        """Save the order."""
        self.message = self.order.begin(self.conversation, generation)
        self.conversation = self.message.conversation
        self.live = LiveMessage(self.message)
        self.generation = generation
        self._take(generation, generation.begun)
        self.taken_tokens = generation.begun_tokens  # the engine may have written more meanwhile
        self.live.gather()
        _running.add(self)
        _save_first_at_exit()

    def _beginning(self) -> broadcast.Frame:
        """How pages show it."""
        html = fragments.actions(self.message) + sidebar.top(self.conversation)
        html += fragments.announcement(self.message)
        shown, after = self._shown_beginning()
        return self.live.frame(shown + html, after)

    def _shown_beginning(self) -> tuple[str, int | None]:
        """As HTML, and the message that a page must end with so that this fits (None: any)."""
        asked = self.message.parent
        match self.order:
            case Ask(edits=None) if asked is not None:
                return fragments.turn(asked, self.message), asked.parent_id or 0
            case Continue():
                return self.live.html(), self.message.pk
            case _:
                return fragments.messages(self.conversation.page(), self.conversation), None

    def interrupt(self) -> None:
        """Save what there is as interrupted; nothing is saved after this."""
        if self.generation is None or self.is_saved:
            return
        self.is_saved = True
        self.live.gather()
        if self.message.is_streaming:
            self.message.status = Status.INTERRUPTED
        try:
            turns.save(self.message, self._taken(self.generation))
        except DatabaseError:  # nobody is left to try again: the last checkpoint stays
            logger.exception("Answer %d could not be saved at the end.", self.message.pk)

    async def _stream(self, generation: Generation, first: asyncio.Future[list[Delta]], stream: Deltas) -> None:
        """From the first frame to the saved outcome."""
        helpers: list[asyncio.Task[None]] = []
        try:
            await self.live.publish(await database_sync_to_async(self._beginning)())
            helpers = [
                asyncio.create_task(self._listen(generation)),
                asyncio.create_task(self.live.flush_regularly()),
                asyncio.create_task(self._checkpoint_regularly(generation)),
            ]
            self._take(generation, await first)
            async for deltas in stream:
                self._take(generation, deltas)
            self.taken_tokens = len(generation.token_ids)  # the last ones may say nothing
            await self.live.flush()  # its last words do not wait for what its end takes
        except Exception:  # our own code: the generation has made all others an outcome
            generation.facts.error = generation.facts.error or gettext(
                "The answer broke off by an error of the server."
            )
            raise
        finally:
            await _end(helpers)
            await self._finish(generation)

    def _take(self, generation: Generation, deltas: list[Delta]) -> None:
        turns.note(self.message, generation)
        self.live.take(deltas)
        self.taken_tokens = len(generation.token_ids)

    async def _listen(self, generation: Generation) -> None:
        """Answer the pages, also after the channel layer was away for a while."""
        while True:
            try:
                await self._hear(generation)
            except Exception:  # the layer's fault; the answer itself goes on
                logger.exception("Answer %d cannot hear its pages for now.", self.message.pk)
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _hear(self, generation: Generation) -> None:
        """Snapshots, Stop, Answer now."""
        layer = broadcast.channel_layer()
        channel = await layer.new_channel()
        group = broadcast.reply_group(self.message.pk)
        await layer.group_add(group, channel)
        try:
            while True:
                event = await layer.receive(channel)
                if event["type"] == "stop":
                    await generation.stop()
                elif event["type"] == "answer_now":
                    await generation.answer_now()
                else:
                    await broadcast.send(event["channel"], event["page"], self.live.snapshot())
        finally:
            await layer.group_discard(group, channel)

    async def _checkpoint_regularly(self, generation: Generation) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            await self.live.flush()
            if await self._save() and not self.is_wanted:
                await generation.stop()

    async def _finish(self, generation: Generation) -> None:
        """Give it its outcome."""
        self.live.gather()
        facts = generation.facts
        turns.note(self.message, generation)
        self.message.error = facts.error[:500]
        self.message.status = Status(facts.outcome or (Status.FAILED if facts.error else Status.INTERRUPTED))
        self.is_saved = await self._save()

    async def _publish_end(self) -> None:
        try:
            await self.live.publish_end()
        except Exception:  # our own code: what is left to save matters more
            logger.exception("The end of answer %d could not be shown.", self.message.pk)

    async def _save_at_last(self) -> None:
        """However long the database is away. The gate is free meanwhile."""
        while not self.is_saved:
            await asyncio.sleep(SAVE_AGAIN_SECONDS)
            self.is_saved = await self._save()

    async def _save(self) -> bool:
        if self.is_saved or self.generation is None:
            return True
        # Text and tokens of one moment, for both grow on while a thread writes them: Continue goes on from the tokens.
        message = self.live.whole() if self.message.is_streaming else self.message
        try:
            await database_sync_to_async(self._write)(message, self._taken(self.generation))
        except Exception:  # the database's fault; the next checkpoint may succeed
            metrics.CHECKPOINT_FAILURES.inc()
            logger.exception("Answer %d could not be saved for now.", self.message.pk)
            return False
        return True

    def _taken(self, generation: Generation) -> list[int]:
        return generation.token_ids[: self.taken_tokens]

    def _write(self, message: Message, token_ids: list[int]) -> None:
        turns.save(message, token_ids)
        self.is_wanted = Conversation.objects.kept().filter(pk=self.conversation.pk).exists()


async def _end(helpers: list[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: Redis's client swallows a cancellation while it subscribes."""
    pending = set(helpers)
    while pending:
        for helper in pending:
            helper.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
