"""The floor: a page that appends what comes and does nothing else, asked and watched as the site's page is.

Its server sends the same tokens at the same pace as plain text, with no site between.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

from inference.parser import Parser
from tests.bench.paced_server import PacedServer
from tests.bench.page import TYPING_SECONDS, Sighting, Watch

FOLDER = Path(__file__).parent
FILES = {"/": ("bare.html", "text/html"), "/bare.js": ("bare.js", "text/javascript")}
LIMIT = 100_000


@dataclass
class BareServer(PacedServer):
    """Each token is one piece of the answer's body, which ends with the connection."""

    _parser: Parser = field(default_factory=Parser)

    def script(self, token_ids: list[int], tokens_per_second: float | None) -> None:
        super().script(token_ids, tokens_per_second)
        self.scripts[-1].finish_reason = None
        self._parser = Parser()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ", 2)[1]
        if head.startswith("POST "):
            (length,) = (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
            request = json.loads(await reader.readexactly(length))
            await self._completion({"max_tokens": LIMIT, **request}, reader, writer)
        elif path in FILES:
            name, kind = FILES[path]
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
            writer.write((FOLDER / name).read_bytes())
        else:
            self._answer(writer, 404, {})

    def _event(self, writer: asyncio.StreamWriter, token_ids: list[int], reason: str | None) -> None:
        self.timeline.add(time.time(), token_ids)
        writer.write("".join(delta.text for delta in self._parser.feed(token_ids)).encode())


@dataclass(frozen=True, slots=True)
class BarePage:
    server: BareServer
    watch: Watch

    def ask(self, prompt: str) -> Sighting:
        page = self.watch.page
        page.bring_to_front()
        page.goto(self.server.url)
        page.fill("textarea", prompt)
        page.focus("textarea")
        time.sleep(TYPING_SECONDS)
        return self.watch.press_enter()


@contextmanager
def bare_page(page: Page) -> Iterator[BarePage]:
    server = BareServer()
    server.start()
    try:
        yield BarePage(server, Watch(page))
    finally:
        server.stop()
