"""What a bare relay takes for an answer that one socket hears: the floor under the web process."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.bench.bare_daphne import BareDaphne
from tests.bench.measured_site import cpu_seconds
from tests.bench.paced_server import PacedServer

FRAME_SECONDS = 0.05
QUIET_SECONDS = 0.5


def relayed_cpu_seconds(relay: BareDaphne, engine: PacedServer) -> float:
    """Of the process, for what the engine was told to send next. Raises RuntimeError where that does not arrive."""
    with ThreadPoolExecutor(1) as apart:  # Playwright's event loop is this thread's
        return apart.submit(asyncio.run, _relayed(relay, engine)).result()


async def _relayed(relay: BareDaphne, engine: PacedServer) -> float:
    request = {"model": "scripted", "prompt": "Go on", "stream": True, "max_tokens": 100_000}
    body = {"url": f"{engine.url}/v1/completions", "request": request, "gather_seconds": FRAME_SECONDS}
    async with (
        connect(relay.url.replace("http:", "ws:"), compression=None, max_size=None) as socket,
        httpx.AsyncClient(timeout=None, trust_env=False) as client,
    ):
        await socket.recv()
        before = cpu_seconds(relay.pid)
        await client.post(relay.url, json=body)
        text = await _heard(socket)
        spent = cpu_seconds(relay.pid) - before
    if _token_ids(text) != engine.timeline.token_ids:
        raise RuntimeError("What the bare relay sent is not what the engine sent.")
    return spent


async def _heard(socket: ClientConnection) -> str:
    """All frames until none comes any more."""
    frames: list[str] = []
    with suppress(TimeoutError):
        while True:
            frames.append(str(await asyncio.wait_for(socket.recv(), QUIET_SECONDS)))
    return "".join(frames)


def _token_ids(text: str) -> list[int]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
    choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    return [token for choice in choices for token in choice["token_ids"] or []]
