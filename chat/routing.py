"""The socket's address."""

from __future__ import annotations

from channels.routing import URLRouter
from django.urls import path

from chat.consumers import ConversationConsumer

# The stubs know neither that a consumer may stand here nor that path() is what the router wants.
sockets = URLRouter([path("ws/c/<uuid:pk>/", ConversationConsumer.as_asgi())])  # type: ignore[arg-type, list-item]
