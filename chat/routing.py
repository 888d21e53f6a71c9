"""The socket's address."""

from __future__ import annotations

from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from chat.consumers import ConversationConsumer

# The stubs know neither that a consumer may stand here nor that path() is what the router wants.
sockets = URLRouter(
    [
        path("ws/c/<uuid:pk>/", ConversationConsumer.as_asgi()),  # type: ignore[arg-type, list-item]
        re_path("", WebsocketDenier.as_asgi()),  # type: ignore[arg-type, list-item]  # else it is an error of ours
    ]
)
