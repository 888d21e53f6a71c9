"""An open page without a browser: served HTML, a real socket, and the swaps that htmx would make."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.document import Element, parsed, swap
from tests.site_process import PASSWORD

SMALL_BUFFER_BYTES = 4096
WITHOUT_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: to load whom to trust would take longer than all else that a client does."""


class Site(Protocol):
    """A server, or a proxy before some."""

    port: int

    @property
    def url(self) -> str: ...


class Person:
    """Somebody who is logged in; the same at every server that shares the database."""

    def __init__(self, site: Site, name: str = "ann") -> None:
        with httpx.Client(base_url=site.url, trust_env=False, timeout=30) as client:
            client.get("/accounts/login/")
            form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
            assert client.post("/accounts/login/", data=form).status_code == httpx.codes.FOUND
            self.cookies = dict(client.cookies)

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def new_conversation(self, site: Site) -> str:
        """Its path."""
        headers = self.headers | {"X-CSRFToken": self.cookies["csrftoken"], "Referer": site.url}
        response = httpx.post(f"{site.url}/new/", headers=headers, trust_env=False, timeout=30, verify=WITHOUT_TLS)
        assert response.status_code == httpx.codes.FOUND
        return urlsplit(response.headers["location"]).path


class Viewer:
    """`async with` opens the page and its socket. Frames are read as they come, and applied when looked at."""

    def __init__(self, person: Person, site: Site, path: str) -> None:
        self._person = person
        self._site = site
        self._path = path
        self._page = Element("", {})
        self._frames: list[str] = []
        self._news = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()

    async def __aenter__(self) -> Viewer:
        async with httpx.AsyncClient(trust_env=False, timeout=30, verify=WITHOUT_TLS) as client:
            response = await client.get(f"{self._site.url}{self._path}", headers=self._person.headers)
        assert response.status_code == httpx.codes.OK
        self._page = parsed(response.text)
        self._socket = await self._connect()
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Close the page, as browsers do on a reload, too. Harmless when closed or cut already."""
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._socket.close()

    async def _connect(self) -> ClientConnection:
        address = self._page.where("ws-connect")[0].attributes["ws-connect"]
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self._site.port))
        return await connect(
            f"ws://127.0.0.1:{self._site.port}{address}",
            sock=raw,
            origin=self._site.url,  # type: ignore[arg-type]  # a NewType of str
            additional_headers=self._person.headers,
            max_queue=1,
            compression=None,
            open_timeout=60,
            ping_interval=None,
        )

    async def _read(self) -> None:
        try:
            with suppress(ConnectionClosed):
                while True:
                    await self._may_read.wait()
                    frame = str(await self._socket.recv())
                    self._frames.append(frame)
                    self._news.set()
        finally:
            self._news.set()

    def stall(self) -> None:
        """Read no more: soon the system's buffers are full, and the server cannot send."""
        self._may_read.clear()

    def go_on(self) -> None:
        self._may_read.set()

    def cut(self) -> None:
        """Be gone without a word, as a phone in a tunnel."""
        self._socket.transport.abort()

    @property
    def handshake(self) -> Mapping[str, str]:
        """The headers with which the server opened the socket."""
        assert self._socket.response
        return self._socket.response.headers

    @property
    def is_cut(self) -> bool:
        return self._reader.done()

    @property
    def close_code(self) -> int | None:
        """With which it was closed."""
        return self._socket.close_code

    # What it shows

    @property
    def page(self) -> Element:
        frames, self._frames = self._frames, []
        for frame in frames:
            swap(self._page, frame)
        return self._page

    @property
    def answers(self) -> list[Element]:
        return self.page.where("data-role", "assistant")

    @property
    def prompts(self) -> list[str]:
        return [element.text for element in self.page.where("data-part", "prompt")]

    @property
    def message(self) -> int:
        """The last answer's key."""
        return int(self.answers[-1].attributes["id"].removeprefix("message-"))

    @property
    def status(self) -> str:
        """The last answer's."""
        return self.answers[-1].attributes["data-status"] if self.answers else ""

    @property
    def answer(self) -> str:
        """Its text as it is shown, without blanks around it."""
        return self.answers[-1].where("data-part", "answer")[0].text.strip() if self.answers else ""

    @property
    def thinking(self) -> str:
        return self.page.with_id(f"message-{self.message}-thinking-text").text

    @property
    def alert(self) -> str:
        return self.page.with_id("alert").text

    @property
    def engine_state(self) -> str:
        return self.page.with_id("engine-status").attributes["data-state"]

    @property
    def key(self) -> str:
        return self.page.with_id("prompt-key").attributes["value"]

    async def until(self, condition: Callable[[Viewer], bool], seconds: float = 60) -> None:
        """Wait until what it shows is so."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(self):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"Not so: {self.status=} {self.alert=} {self.engine_state=} {self.answer=}") from None

    async def until_ended(self, answers: int = 1, seconds: float = 60) -> str:
        """Wait until so many answers are shown and none runs; returns the last one's status."""
        await self.until(lambda it: len(it.answers) == answers and it.status != "streaming", seconds)
        return self.status

    # What it does

    async def ask(self, prompt: str, effort: str = "low") -> None:
        await self._send(prompt=prompt, effort=effort, key=self.key, edits="")

    async def act(self, action: str, **fields: str) -> None:
        """About the last answer."""
        await self.act_on(self.message, action, **fields)

    async def act_on(self, message: int, action: str, **fields: str) -> None:
        await self._send(action=action, message=str(message), **fields)

    async def _send(self, **fields: str) -> None:
        await self.send(json.dumps({**fields, "HEADERS": {}}))

    async def send(self, frame: str) -> None:
        """Any text."""
        await self._socket.send(frame)
