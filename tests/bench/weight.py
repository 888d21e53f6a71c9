"""What a page asks of the network with nothing in the browser's cache, and when it can be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState

OPENING = Path(__file__).with_name("opening.js")
AFTER_SECONDS = 2.0
"""What a page asks for once it is there counts as well."""


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes are those on the wire, headers included, but for `script_raw_bytes`. A socket is one request."""

    requests: int
    wire_bytes: int
    script_bytes: int
    script_raw_bytes: int
    interactive_milliseconds: float


@dataclass
class Network:
    """Counts what one page asks for and gets, by Chromium's own account."""

    requests: dict[str, str] = field(default_factory=dict)
    """Their kinds."""
    wire: dict[str, float] = field(default_factory=dict)
    raw: dict[str, float] = field(default_factory=dict)
    sockets: dict[str, float] = field(default_factory=dict)

    def watch(self, page: Page) -> None:
        devtools = page.context.new_cdp_session(page)
        devtools.on("Network.requestWillBeSent", self._on_request)
        devtools.on("Network.loadingFinished", lambda event: _add(self.wire, event, event["encodedDataLength"]))
        devtools.on("Network.dataReceived", lambda event: _add(self.raw, event, event["dataLength"]))
        devtools.on("Network.webSocketHandshakeResponseReceived", self._on_handshake)
        devtools.on("Network.webSocketFrameReceived", self._on_frame)
        devtools.send("Network.enable")
        devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})

    def _on_request(self, event: Mapping[str, Mapping[str, str]]) -> None:
        if not event["request"]["url"].startswith("data:"):
            self.requests[str(event["requestId"])] = str(event["type"])

    def _on_handshake(self, event: Mapping[str, Mapping[str, str]]) -> None:
        _add(self.sockets, event, len(event["response"]["headersText"]))

    def _on_frame(self, event: Mapping[str, Mapping[str, str]]) -> None:
        _add(self.sockets, event, len(event["response"]["payloadData"].encode()))

    def of_scripts(self, counted: dict[str, float]) -> int:
        return int(sum(size for key, size in counted.items() if self.requests.get(key) == "Script"))


def _add(counted: dict[str, float], event: Mapping[str, object], size: float) -> None:
    key = str(event["requestId"])
    counted[key] = counted.get(key, 0) + size


@contextmanager
def cold_page(browser: Browser, visit: StorageState) -> Iterator[Page]:
    """A browser's first page of that site; the person is logged in."""
    context = browser.new_context(storage_state=visit)
    page = context.new_page()
    page.add_init_script(path=OPENING)
    try:
        yield page
    finally:
        context.close()


def weigh(browser: Browser, visit: StorageState, address: str) -> Weight:
    with cold_page(browser, visit) as page:
        network = Network()
        network.watch(page)
        page.goto(address)
        interactive = page.evaluate("opening.interactive")
        page.wait_for_timeout(AFTER_SECONDS * 1000)
        return Weight(
            requests=len(network.requests) + len(network.sockets),
            wire_bytes=int(sum(network.wire.values()) + sum(network.sockets.values())),
            script_bytes=network.of_scripts(network.wire),
            script_raw_bytes=network.of_scripts(network.raw),
            interactive_milliseconds=interactive,
        )
