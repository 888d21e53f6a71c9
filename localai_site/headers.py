"""What every response tells browsers, whoever made it: a view, a static file, a probe, an error before them."""

from __future__ import annotations

from collections.abc import Mapping

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope

UNUSED = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "microphone",
    "midi",
    "payment",
    "usb",
)
"""Powers of a page that none of ours asks for; see https://www.w3.org/TR/permissions-policy/."""

DEFAULTS: Mapping[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"permissions-policy": ", ".join(f"{power}=()" for power in UNUSED).encode(),
    b"cross-origin-embedder-policy": b"require-corp",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    # Of what is no page: pages bring their own (see policy.py).
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    # Nearly all is about one person; who shares the machine must not find it by the Back button after the log-out.
    b"cache-control": b"no-store",
}


class HeadersMiddleware:
    """Adds what is not said already."""

    def __init__(self, application: ASGI3Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def send_with_headers(event: ASGISendEvent) -> None:
            if event["type"] == "http.response.start":
                said = {name.lower() for name, _ in event["headers"]}
                missing = [(name, value) for name, value in DEFAULTS.items() if name not in said]
                event["headers"] = [*event["headers"], *missing]
            await send(event)

        await self._application(scope, receive, send_with_headers)
