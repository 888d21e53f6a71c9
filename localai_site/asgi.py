"""The server's entry: HTTP to Django, sockets to the chat; starts the engine behind them."""

from __future__ import annotations

import os
from threading import Thread

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "localai_site.settings")

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

try:
    django_application = get_asgi_application()
except ImproperlyConfigured as error:
    raise SystemExit(f"LocalAI cannot start: {error}") from error

from chat.recovery import recover_at_start
from chat.routing import sockets
from inference.harmony import warm_up
from inference.supervisor import get_supervisor

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets)),
    }
)

recover_at_start()
Thread(target=warm_up, daemon=True).start()  # or the first prompt would wait for Harmony's vocabulary
get_supervisor().start_in_background()
