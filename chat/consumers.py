"""The socket of one open page: takes prompts and actions, forwards frames. Owns nothing but the socket."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import cast
from urllib.parse import parse_qs
from uuid import UUID, uuid4

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from autobahn.exception import Disconnected
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils import translation
from django.utils.translation import gettext

from chat import actions, broadcast, fragments, metrics, recovery, replies, sidebar, trash
from chat.actions import RefusedError
from chat.audience import audience
from chat.following import Following, Step
from chat.forms import ActionForm, PromptForm
from chat.languages import language_of
from chat.models import Conversation, Message, Status
from chat.orders import AlreadySavedError
from chat.presence import Visit, lasting, presence
from chat.requests import key_of
from inference import request_id

logger = logging.getLogger(__name__)

COME_BACK = 1000
NOT_LOGGED_IN = 4401
NOT_FOUND = 4404
TOO_MANY = 4429
MOST_FRAMES = 300
FRAMES_SECONDS = 10.0
"""A page that sends more than so many in this time is not heard for a while."""
ASK_AGAIN_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0


class ConversationConsumer(AsyncWebsocketConsumer):
    """Frames are forwarded in order; after a gap a snapshot is asked for and frames wait for it.

    It does one thing at a time: what it hears waits for what the browser sent, and the other way round.
    """

    channel_layer_alias = "none"  # `chat.audience` listens for all pages of the process

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.name = uuid4().hex
        self.pulse: asyncio.Task[None] | None = None
        self.attending: asyncio.Task[None] | None = None
        self.heard: deque[Mapping[str, object]] = deque()
        self.sent: deque[float] = deque()
        self.turn = asyncio.Lock()
        self.is_welcome = False
        try:
            with metrics.OPEN_SOCKETS.track_inprogress():
                await super().__call__(scope, receive, send)  # type: ignore[arg-type]  # a name of the stubs alone
        finally:  # also after an error, which the page answers by connecting again
            await self._leave()

    language = settings.LANGUAGE_CODE

    async def dispatch(self, message: dict[str, object]) -> None:
        async with self.turn:
            with translation.override(self.language):
                await super().dispatch(message)

    def hear(self, event: Mapping[str, object]) -> None:
        """What the audience tells this page."""
        self.heard.append(event)
        if self.attending is None or self.attending.done():
            self.attending = asyncio.get_running_loop().create_task(self._attend(), context=self.context)

    async def _attend(self) -> None:
        try:
            while self.heard:
                async with self.turn:
                    if self.is_welcome:
                        await self._show(self.heard.popleft())
                    else:
                        self.heard.clear()
        except Exception:  # ours, or the database's fault: the page comes back and is shown everything anew
            logger.exception("A page could not be shown what it heard.")
            await self.close(COME_BACK)

    async def connect(self) -> None:
        await self.accept()
        self.following = Following()
        self.asked_at = 0.0
        self.was_put_off = False
        self.orders = 0
        self.user = cast(AbstractBaseUser | AnonymousUser, self.scope["user"])
        if not self.user.is_authenticated:
            await self.close(NOT_LOGGED_IN)
            return
        self.language = await database_sync_to_async(language_of)(self.user, self.scope["headers"])
        translation.activate(self.language)
        if presence.pages_of(self.user.pk) >= settings.MAX_SOCKETS_PER_USER:
            await self.send(fragments.alert(gettext("Too many of your pages are open. Close some: this one waits.")))
            await self.close(TOO_MANY)
            return
        conversation = await self._load(self.scope["url_route"]["kwargs"]["pk"])
        if conversation is None:
            await self.close(NOT_FOUND)
            return
        self.conversation = conversation
        self.visit = Visit.of(self.user, str(self.scope["session"].session_key))
        self.is_welcome = True
        presence.enter(self.name, self.visit, self._dismiss)
        broadcast.watch()
        self.context = contextvars.copy_context()
        self.audience = audience()
        await self.audience.enter(self, [broadcast.conversation_group(conversation.pk), broadcast.SITE_GROUP])
        query = parse_qs(self.scope["query_string"].decode("ascii", "replace"))
        self.first = key_of(query.get("from", [""])[0])
        await self._catch_up(seen=query.get("seen", [""])[0])
        self.pulse = asyncio.create_task(self._beat())

    async def _leave(self) -> None:
        self.is_welcome = False
        for task in filter(None, (self.pulse, self.attending)):
            task.cancel()
        presence.leave(self.name)
        if hasattr(self, "audience"):
            await self.audience.leave(self)

    async def send(  # type: ignore[override]  # as the class above it does
        self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool = False
    ) -> None:
        with suppress(Disconnected):  # the page was closed just now, which is no error
            await super().send(text_data, bytes_data, close)

    # From the page

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            data = json.loads(text_data or "")
        except (ValueError, RecursionError):  # no JSON, or brackets in brackets without an end
            data = None
        if self._sends_too_fast():
            await self.send(fragments.alert(gettext("Too much at once. Wait a moment, then try again.")))
            return
        if not await self._may_go_on():
            return
        self.orders += 1
        with request_id.step(self.orders):
            await self._obey(data)

    def _sends_too_fast(self) -> bool:
        now = time.monotonic()
        while self.sent and now - self.sent[0] > FRAMES_SECONDS:
            self.sent.popleft()
        if len(self.sent) >= MOST_FRAMES:
            return True
        self.sent.append(now)
        return False

    async def _obey(self, data: object) -> None:
        if not isinstance(data, dict):
            await self.send(fragments.alert(gettext("The page sent something that is not understood. Reload it.")))
        elif "action" in data:
            await self._act(ActionForm(data))
        else:
            await self._ask(PromptForm(data))

    async def _ask(self, form: PromptForm) -> None:
        self.was_put_off = False
        if not form.is_valid():
            await self.send(fragments.alert(form.error_text()))
            return
        try:
            await actions.heed(replies.submit(self.conversation, form.order()))
        except AlreadySavedError:  # sent again because the page never heard of the first time
            await self._catch_up(seen="")
        except RefusedError as refused:
            self.was_put_off = refused.retry_after_seconds is not None
            await self.send(fragments.alert(str(refused)))
            return
        await self.send(fragments.prompt_key() + fragments.alert())

    async def _act(self, form: ActionForm) -> None:
        if not form.is_valid():
            await self.send(fragments.alert(form.error_text()))
            return
        if form.cleaned_data["action"] == "earlier":
            await self._show_earlier(form.cleaned_data["message"])
            return
        try:
            await actions.heed(actions.act(self.conversation, self.user, form))
        except RefusedError as refused:
            await self.send(fragments.alert(str(refused)))
        else:
            await self.send(fragments.alert())

    # From the audience

    async def _show(self, event: Mapping[str, object]) -> None:
        match event["type"]:
            case "status":
                await self._show_status()
            case "move":  # another version is shown, or an answer was given up: as saved, not as followed
                await self._catch_up(seen="")
            case _:
                await self._take(cast(broadcast.Frame, event))

    async def _take(self, frame: broadcast.Frame) -> None:
        """Forwarded when it is the next change, or the whole message; else the page is brought up to date."""
        step = self.following.frame(frame) if frame["type"] == "frame" else self.following.snapshot(frame)
        if step is Step.FORWARD:
            await self.send(frame["html"])
        elif step is Step.ASK:
            await self._ask_for_snapshot()
        elif step is Step.CATCH_UP:
            await self._catch_up(seen="")

    async def _show_status(self) -> None:
        html = self._engine_status()
        if self.was_put_off and fragments.can_answer():
            self.was_put_off = False
            html += fragments.alert(gettext("The model is free again: send your prompt now."), is_error=False)
        await self.send(html)

    def _engine_status(self) -> str:
        return fragments.engine_status(is_staff=getattr(self.user, "is_staff", False))

    # What the page may have missed

    async def _catch_up(self, seen: str) -> None:
        """Show the conversation as saved, unless the page has `seen` it so; then what runs, live."""
        try:
            html, leaf, is_running = await self._render(seen)
        except Conversation.DoesNotExist:
            await self.close(NOT_FOUND)
            return
        self.following.begin(leaf, is_running=is_running)
        self.asked_at = 0.0
        await self.send(html + self._engine_status())
        if is_running:
            await self._ask_for_snapshot()

    async def _ask_for_snapshot(self) -> None:
        """Asked again after a while, when it got lost."""
        self.following.wait()
        if time.monotonic() - self.asked_at > ASK_AGAIN_SECONDS:
            self.asked_at = time.monotonic()
            await broadcast.ask_for_snapshot(self.following.leaf, self.audience.channel, self.name)

    async def _beat(self) -> None:
        """A sign of life for the page, and a look whether it has missed anything."""
        while self.is_welcome:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await self._look_after()
            except Exception:  # the database's or the layer's fault; the next beat looks again
                logger.exception("A page could not be looked after.")
            await self.send(fragments.heartbeat())

    async def _look_after(self) -> None:
        """Frames and moves may get lost; what is saved tells. A quiet reply is asked how far it is."""
        following = self.following
        if following.silent_seconds < HEARTBEAT_SECONDS:
            return
        if await self._saved_state() != (following.leaf, following.is_running):
            await self._catch_up(seen="")
        elif following.is_running:
            await self._ask_for_snapshot()

    @database_sync_to_async
    def _saved_state(self) -> tuple[int, bool] | None:
        """The leaf and whether it runs; None for a conversation that is gone."""
        recovery.mark_abandoned()
        trash.expunge()
        shown = (
            Conversation.objects.kept().filter(pk=self.conversation.pk).values_list("leaf_id", "leaf__status").first()
        )
        return shown and (shown[0] or 0, shown[1] == Status.STREAMING)

    @database_sync_to_async
    def _render(self, seen: str) -> tuple[str, int, bool]:
        recovery.mark_abandoned()
        self.conversation.refresh_from_db(from_queryset=Conversation.objects.kept())
        page = self.conversation.page(self.first)
        leaf = page[-1] if page else None
        running = leaf if leaf is not None and leaf.is_streaming else None
        html = fragments.actions(running)
        if seen != fragments.state_of(page):
            html = fragments.messages(page, self.conversation) + html + fragments.meter_refresh()
            html += sidebar.item(self.conversation) if page else ""
            Message.objects.keep_html(page)
        return html, leaf.pk if leaf else 0, running is not None

    async def _show_earlier(self, before: int) -> None:
        """What comes above message `before`, the first that the page shows; all anew if that is not shown any more."""
        try:
            html = await self._earlier(before)
        except Conversation.DoesNotExist:
            await self.close(NOT_FOUND)
            return
        if html:
            await self.send(html)
        else:
            await self._catch_up(seen="")

    @database_sync_to_async
    def _earlier(self, before: int) -> str:
        self.conversation.refresh_from_db(from_queryset=Conversation.objects.kept())
        shown = self.conversation.earlier(before)
        if not shown:
            return ""
        html = fragments.earlier(shown, self.conversation) + fragments.meter_refresh()
        Message.objects.keep_html(shown)
        self.first = shown[0].pk
        return html

    # Whose page it is

    async def _may_go_on(self) -> bool:
        """Whether the person is still logged in, by the database; if not, the socket closes."""
        if self.is_welcome and not await lasting([self.visit]):
            await self._dismiss()
        return self.is_welcome

    async def _dismiss(self) -> None:
        """What goes on is not shown here any more."""
        if self.is_welcome:
            self.is_welcome = False
            await self.close(NOT_LOGGED_IN)

    @database_sync_to_async
    def _load(self, pk: UUID) -> Conversation | None:
        return Conversation.objects.for_user(self.user).filter(pk=pk).first()
