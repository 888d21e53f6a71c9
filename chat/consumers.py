"""The socket of one open page: takes prompts and Stop, forwards frames. Owns nothing but the socket."""

from __future__ import annotations

import json
import logging
import time
from typing import cast
from urllib.parse import parse_qs
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError
from django.http import HttpRequest

from chat import broadcast, fragments, replies, turns
from chat.forms import PromptForm
from chat.models import Conversation
from inference.errors import BusyError, EngineNotReadyError, InferenceError

logger = logging.getLogger(__name__)

NOT_LOGGED_IN = 4401
NOT_FOUND = 4404
ASK_AGAIN_SECONDS = 1.0
LOOK_SECONDS, LOOK_ALWAYS = 60.0, 0.0
"""How old the knowledge may be that the person is logged in, while frames are forwarded and on a prompt."""


class ConversationConsumer(AsyncWebsocketConsumer):
    """Frames are forwarded in order; after a gap a snapshot is asked for and frames wait for it."""

    async def connect(self) -> None:
        await self.accept()
        self.message_id = 0
        self.sequence = 0
        self.asked_at = 0.0
        self.looked_at = time.monotonic()
        self.was_put_off = False
        self.user = cast(AbstractBaseUser | AnonymousUser, self.scope["user"])
        if not self.user.is_authenticated:
            await self.close(NOT_LOGGED_IN)
            return
        conversation = await self._load(self.scope["url_route"]["kwargs"]["pk"])
        if conversation is None:
            await self.close(NOT_FOUND)
            return
        self.conversation = conversation
        broadcast.watch()
        await self.channel_layer.group_add(broadcast.conversation_group(conversation.pk), self.channel_name)
        await self.channel_layer.group_add(broadcast.SITE_GROUP, self.channel_name)
        query = parse_qs(self.scope["query_string"].decode("ascii", "replace"))
        await self._catch_up(seen=query.get("seen", [""])[0])

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "conversation"):
            await self.channel_layer.group_discard(
                broadcast.conversation_group(self.conversation.pk), self.channel_name
            )
            await self.channel_layer.group_discard(broadcast.SITE_GROUP, self.channel_name)

    # From the page

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            data = json.loads(text_data or "")
        except ValueError:
            data = None
        if not await self._may_go_on(LOOK_ALWAYS):
            return
        if not isinstance(data, dict):
            await self.send(fragments.alert("The page sent something that is not understood. Reload it."))
        elif "stop" in data:
            await self._stop(data["stop"])
        else:
            await self._submit(PromptForm(data))

    async def _submit(self, form: PromptForm) -> None:
        self.was_put_off = False
        if not form.is_valid():
            await self.send(fragments.alert(form.error_text()))
            return
        try:
            await replies.submit(self.conversation, form.cleaned_data["prompt"], form.cleaned_data["effort"])
        except InferenceError as error:
            self.was_put_off = isinstance(error, BusyError | EngineNotReadyError)
            await self.send(fragments.alert(str(error)))
        except DatabaseError:
            logger.exception("A prompt could not be saved.")
            await self.send(fragments.alert("The prompt could not be saved. It is kept here: send it again."))
        except Conversation.DoesNotExist:
            await self.send(fragments.alert("This conversation was deleted. Copy your prompt and start a new one."))
        else:
            await self.send(fragments.accepted() + fragments.alert())

    async def _stop(self, message_id: object) -> None:
        if await self._is_mine(message_id):
            await broadcast.stop(int(str(message_id)))

    # From the channel layer

    async def frame(self, event: broadcast.Frame) -> None:
        """A change: forwarded when it is the next one, else the page is brought up to date."""
        message_id, sequence = event["message"], event["sequence"]
        if not await self._may_go_on():
            return
        is_next = message_id == self.message_id and 1 < sequence == self.sequence + 1 and not self.asked_at
        is_new_turn = message_id > self.message_id and sequence == 1
        if is_next or is_new_turn:
            self.message_id, self.sequence, self.asked_at = message_id, sequence, 0.0
            await self.send(event["html"])
        elif message_id > self.message_id:
            await self._catch_up(seen="")
        elif message_id == self.message_id and sequence > self.sequence:
            await self._ask_for_snapshot()

    async def snapshot(self, event: broadcast.Frame) -> None:
        """The whole message: right after any gap."""
        if event["message"] == self.message_id and event["sequence"] > self.sequence:
            self.sequence, self.asked_at = event["sequence"], 0.0
            await self.send(event["html"])
        elif event["message"] > self.message_id:
            await self._catch_up(seen="")

    async def status(self, event: dict[str, object]) -> None:
        if not await self._may_go_on():
            return
        html = fragments.engine_status()
        if self.was_put_off and fragments.can_answer():
            self.was_put_off = False
            html += fragments.alert("The model is free again: send your prompt now.", is_error=False)
        await self.send(html)

    # What the page may have missed

    async def _catch_up(self, seen: str) -> None:
        """Show the conversation as saved, unless the page has `seen` it so; then what runs, live."""
        html, self.message_id, is_running = await self._render(seen)
        self.sequence, self.asked_at = 0, 0.0
        await self.send(html + fragments.engine_status())
        if is_running:
            await self._ask_for_snapshot()

    async def _ask_for_snapshot(self) -> None:
        """Frames wait until it comes; asked again when it got lost."""
        if time.monotonic() - self.asked_at > ASK_AGAIN_SECONDS:
            self.asked_at = time.monotonic()
            await broadcast.ask_for_snapshot(self.message_id, self.channel_name)

    @database_sync_to_async
    def _render(self, seen: str) -> tuple[str, int, bool]:
        turns.mark_abandoned()
        self.conversation.refresh_from_db()
        path = self.conversation.path()
        leaf = path[-1] if path else None
        running = leaf if leaf is not None and leaf.is_streaming else None
        html = fragments.actions(running)
        if seen != fragments.state_of(path):
            html = fragments.messages(path) + html
        return html, leaf.pk if leaf else 0, running is not None

    # Whose page it is

    async def _may_go_on(self, look_after_seconds: float = LOOK_SECONDS) -> bool:
        """Whether the person is still logged in; looked up at most so often. If not, the socket closes."""
        if not hasattr(self, "conversation"):
            return False
        if time.monotonic() - self.looked_at < look_after_seconds:
            return True
        self.looked_at = time.monotonic()
        if await self._is_logged_in():
            return True
        await self.close(NOT_LOGGED_IN)
        return False

    @database_sync_to_async
    def _is_logged_in(self) -> bool:
        """Asks the database: the scope's user stays what it was when the socket was opened."""
        request = HttpRequest()
        request.session = SessionStore(self.scope["session"].session_key)
        return bool(get_user(request).pk == self.user.pk)

    @database_sync_to_async
    def _load(self, pk: UUID) -> Conversation | None:
        return Conversation.objects.for_user(self.user).filter(pk=pk).first()

    @database_sync_to_async
    def _is_mine(self, message_id: object) -> bool:
        return str(message_id).isdecimal() and self.conversation.messages.filter(pk=str(message_id)).exists()
