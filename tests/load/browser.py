"""One person's browser: its one open page with the socket, and what it asks for. It believes nothing unseen."""

from __future__ import annotations

import asyncio
import html
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from random import Random
from urllib.parse import quote, urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.load.connection import Answer, BrokenAnswerError, Connection
from tests.load.mix import PAGE, SOCKET, STATIC
from tests.viewer import Person, Site

PROMPT = "Tell me about the words that are written here, one after another, and what they mean together."

History = list[tuple[str, int]]
"""The conversations: of each its key, and that of its last answer."""
Note = Callable[[str, float, float], None]
"""Of what kind it was, when it should have begun, and when it ended."""


class OpenPage:
    """A page's socket, whose frames are taken and forgotten."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, address: str, origin: str, headers: Mapping[str, str]) -> OpenPage:
        """Returns when its first frame has come."""
        url = address.replace("http:", "ws:", 1)
        options = {"origin": origin, "additional_headers": headers, "compression": None, "proxy": None}
        socket = await connect(url, ping_interval=None, open_timeout=None, **options)  # type: ignore[arg-type]
        await socket.recv()
        return cls(socket)

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self._socket.recv()

    @property
    def is_lost(self) -> bool:
        return self._reader.done()

    async def close(self) -> None:
        self._reader.cancel()
        await self._socket.close()


class Browser:
    """Not for two requests at the same time."""

    def __init__(self, person: Person, name: str, site: Site, history: History, random: Random, note: Note) -> None:
        self._person, self._name, self._site, self._random, self._note = person, name, site, random, note
        self._history = history
        self._connection = Connection(site.port)
        self._static: list[str] = []
        self._older = ""
        self._page: OpenPage | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._kinds: Mapping[str, Callable[[], Awaitable[Answer]]] = {
            PAGE: self._get_page,
            "home": self._get_home,
            STATIC: self._get_static,
            "older": self._get_older,
            "search": self._search,
            "context": self._get_context,
            "meter": self._post_meter,
            "rename": self._get_rename,
            "item": self._get_item,
            "health": self._get_health,
        }

    async def do(self, kind: str, due: float) -> None:
        """Raises OSError, EOFError or BrokenAnswerError."""
        answer = await self._kinds[kind]()
        self._note(kind, due, time.perf_counter())
        if kind == PAGE:
            await self._show(answer.text)

    @property
    def has_lost_socket(self) -> bool:
        return self._page is not None and self._page.is_lost

    async def close(self) -> None:
        self._leave()
        await asyncio.gather(*self._closing)
        self._connection.close()

    # What it asks for

    async def _get_page(self) -> Answer:
        answer = await self._get(f"/c/{self._conversation()}/", f"{self._name} talks, ")
        self._static = self._static or re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text)
        older = re.search(r'href="(/older/[^"]+)"', answer.text)
        self._older = older[1] if older else self._older
        return answer

    async def _get_home(self) -> Answer:
        return await self._ask("GET", "/", 302)

    async def _get_static(self) -> Answer:
        target = self._random.choice(self._static) if self._static else "/accounts/login/"
        return await self._ask("GET", target)

    async def _get_older(self) -> Answer:
        return await self._get(self._older or "/archived/", "", **{"HX-Request": "true"})

    async def _search(self) -> Answer:
        subject = f"subject{self._random.randrange(len(self._history))}"
        return await self._get(f"/search/?q={quote(subject)}", subject, **{"HX-Request": "true"})

    async def _get_context(self) -> Answer:
        conversation, answer = self._random.choice(self._history)
        return await self._get(f"/c/{conversation}/context/{answer}/", "", **{"HX-Request": "true"})

    async def _post_meter(self) -> Answer:
        draft = PROMPT[: self._random.randint(1, len(PROMPT))]
        body = urlencode({"prompt": draft, "effort": "low", "edits": ""}).encode()
        headers = {
            "X-CSRFToken": self._person.cookies["csrftoken"],
            "Referer": self._site.url,
            "Content-Type": "application/x-www-form-urlencoded",
            "HX-Request": "true",
        }
        return await self._ask("POST", f"/c/{self._conversation()}/meter/", 200, headers, body)

    async def _get_rename(self) -> Answer:
        return await self._get(f"/c/{self._conversation()}/rename/", self._name, **{"HX-Request": "true"})

    async def _get_item(self) -> Answer:
        return await self._get(f"/c/{self._conversation()}/item/", self._name, **{"HX-Request": "true"})

    async def _get_health(self) -> Answer:
        return await self._ask("GET", "/healthz")

    def _conversation(self) -> str:
        return self._random.choice(self._history)[0]

    async def _get(self, target: str, words: str, **headers: str) -> Answer:
        """What must have these words, and nobody else's."""
        answer = await self._ask("GET", target, 200, headers)
        names = set(re.findall(r"\b(\w+) talks, ", answer.text))
        if words not in answer.text or names - {self._name}:
            raise BrokenAnswerError(f"{target} answered something else, about {names or 'nobody'}.")
        return answer

    async def _ask(
        self, method: str, target: str, status: int = 200, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        answer = await self._connection.ask(method, target, {**self._person.headers, **(headers or {})}, body)
        if answer.status != status:
            raise BrokenAnswerError(f"{method} {target} answered {answer.status}, not {status}.")
        return answer

    # Its page

    async def _show(self, page: str) -> None:
        """The new page's socket in place of the old one's, for whose end nobody waits."""
        began = time.perf_counter()
        was_lost = self.has_lost_socket
        self._leave()
        (address,) = re.findall(r'ws-connect="([^"]+)"', page)
        url = f"{self._site.url}{html.unescape(address)}"
        self._page = await OpenPage.open(url, self._site.url, self._person.headers)
        self._note(SOCKET, began, time.perf_counter())
        if was_lost:
            raise BrokenAnswerError("A page's socket was closed.")

    def _leave(self) -> None:
        if self._page:
            closing = asyncio.create_task(self._page.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._page = None
