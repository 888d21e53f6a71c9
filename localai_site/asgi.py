"""The server's entry: HTTP to Django, sockets to the chat; starts the engine behind them."""

from __future__ import annotations

import os
import sys
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
from localai_site.access import AccessMiddleware
from localai_site.backpressure import guard
from localai_site.headers import HeadersMiddleware
from localai_site.operations.errors import OperationError
from localai_site.operations.guard import refuse_unfit_schema
from localai_site.operations.occupancy import occupy
from localai_site.statements import bound
from localai_site.timers import keep_going

application = AccessMiddleware(
    HeadersMiddleware(
        ProtocolTypeRouter(
            {
                "http": django_application,
                "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets)),
            }
        )
    )
)

bound()
guard()
keep_going()
try:
    occupy()
    refuse_unfit_schema()
except OperationError as error:
    # Not as SystemExit's text: the development server runs this in a thread, which would end without a word.
    sys.stderr.write(f"LocalAI cannot start: {error}\n")
    raise SystemExit(1) from error
recover_at_start()
Thread(target=warm_up, daemon=True).start()  # or the first prompt would wait for Harmony's vocabulary
get_supervisor().start_in_background()
