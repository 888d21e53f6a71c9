"""A page that goes leaves nothing of itself at the server."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, WebSocketScope
from autobahn.exception import Disconnected
from channels.layers import BaseChannelLayer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User

from chat import broadcast
from chat.models import Conversation
from chat.routing import sockets
from tests.chat.open_page import scope_of
from tests.scripted_server import ScriptedServer

pytestmark = pytest.mark.django_db(transaction=True)


def groups_of(layer: BaseChannelLayer) -> dict[str, object]:
    """Of the layer in memory or in Redis, which puts something before the names."""
    groups: dict[str, object] = layer.groups  # type: ignore[attr-defined]
    return groups


async def test_a_page_that_closes_while_something_is_sent_to_it_leaves_all_groups(
    scripted: ScriptedServer, ann: User, conversation: Conversation
) -> None:
    is_closing, was_sent = False, asyncio.Event()

    async def closing(scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """As daphne does between a browser's good-bye and the end of the connection."""

        async def send_while_open(event: ASGISendEvent) -> None:
            if is_closing:
                was_sent.set()
                raise Disconnected("Attempt to send on a closed protocol")
            await send(event)

        await sockets(scope, receive, send_while_open)

    socket = WebsocketCommunicator(closing, f"/ws/c/{conversation.pk}/?seen=empty")
    socket.scope |= await scope_of(ann)  # type: ignore[typeddict-item]
    await socket.connect()
    await socket.receive_from(timeout=10)
    groups = " ".join(groups_of(broadcast.channel_layer()))
    assert broadcast.SITE_GROUP in groups
    assert broadcast.conversation_group(conversation.pk) in groups
    is_closing = True
    await broadcast.announce_status()
    await asyncio.wait_for(was_sent.wait(), 10)
    await socket.disconnect()
    assert not groups_of(broadcast.channel_layer())
