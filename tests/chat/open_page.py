"""An open page without a browser: its socket, and what is sent and received through it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client

from chat.models import Conversation, Message
from chat.routing import sockets
from tests.document import parsed, swap

SECONDS = 20


class Page:
    """What an open page does with its socket: collects the HTML, sends forms."""

    def __init__(self, socket: WebsocketCommunicator) -> None:
        self.socket = socket
        self.frames: list[str] = []
        self.document = parsed('<div id="messages"></div>')

    async def ask(self, prompt: str, effort: str = "low", **fields: str) -> None:
        values = {"prompt": prompt, "effort": effort, "HEADERS": {}, **fields}
        await self.socket.send_to(text_data=json.dumps(values))

    async def act(self, action: str, message_id: object = "", **fields: str) -> None:
        values = {"prompt": "", "action": action, "message": str(message_id), **fields}
        await self.socket.send_to(text_data=json.dumps(values))

    async def stop(self, message_id: object) -> None:
        await self.act("stop", message_id)

    async def until(self, pattern: str) -> str:
        """The first new frame that matches."""
        async with asyncio.timeout(SECONDS):
            while True:
                frame = str(await self.socket.receive_from(timeout=SECONDS))
                self.frames.append(frame)
                swap(self.document, frame)
                if re.search(pattern, frame):
                    return frame

    async def until_written(self, text: str, part: str = "answer") -> None:
        """Until this much of the running answer, or of its thinking, is shown, in however many pieces."""
        identifier = re.compile(rf"message-\d+-{part}")
        async with asyncio.timeout(SECONDS):
            while not any(
                text in element.text
                for element in self.document.where("id")
                if identifier.fullmatch(element.attributes["id"])
            ):
                await self.until("")

    async def closed(self) -> int:
        """The code with which the server closes the socket."""
        while True:
            event = await self.socket.receive_output(timeout=10)
            if event["type"] == "websocket.close":
                return int(event["code"])

    @property
    def html(self) -> str:
        return "".join(self.frames)


@database_sync_to_async
def scope_of(user: User | AnonymousUser) -> dict[str, object]:
    """What the middleware would add for a browser that is logged in as this person."""
    client = Client()
    if isinstance(user, User):
        client.force_login(user)
    return {"user": user, "session": client.session}


@asynccontextmanager
async def page_of(
    user: User | AnonymousUser, conversation: Conversation, seen: str = "empty", language: str = ""
) -> AsyncIterator[Page]:
    """`language` is what the browser asks for."""
    headers = [(b"accept-language", language.encode())]
    socket = WebsocketCommunicator(sockets, f"/ws/c/{conversation.pk}/?seen={seen}", headers=headers)
    socket.scope |= await scope_of(user)  # type: ignore[typeddict-item]
    connected, _ = await socket.connect()
    assert connected
    page = Page(socket)
    try:
        await page.until('id="engine-status"')
        yield page
    finally:
        await socket.disconnect()


async def answer_of(conversation: Conversation) -> Message:
    answer = await conversation.messages.order_by("pk").alast()
    assert answer is not None
    return answer
