"""What a first visit costs a reader's network: bytes as they come over the wire, and requests."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.async_api import Page

from tests.browser.conftest import OpenPage, ask, connected, ended
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import SiteProcess

MAX_BYTES = 100 * 1000
MAX_REQUESTS = 10
ANSWER = "## Heading\n\nWith **words**.\n\n```python\nprint(1)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" * 3


async def visit(page: Page, address: str) -> tuple[list[str], float]:
    """What is asked for with nothing in the browser's cache, and the bytes that come."""
    network = await page.context.new_cdp_session(page)
    requests: list[str] = []
    received: list[float] = []
    network.on("Network.requestWillBeSent", lambda event: requests.append(event["request"]["url"]))
    network.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    await network.send("Network.enable")
    await network.send("Network.clearBrowserCache")
    await network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await page.goto(address, wait_until="networkidle")
    await connected(page)
    await network.detach()
    return [url for url in requests if not url.startswith("data:")], sum(received)


async def test_a_first_visit_is_light_and_asks_nobody_else(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    page = await open_page(scripted_site)
    empty = page.url
    await page.click("[data-action=new]")
    await connected(page)
    for number in range(1, 11):
        script.enqueue(reply("Let me think.", f"{ANSWER}{number}"))
        await ask(page, f"Prompt {number}")
        assert await ended(page, number) == "complete"
    for address in (empty, page.url):
        requests, received = await visit(page, address)
        assert {urlsplit(url).netloc for url in requests} == {urlsplit(scripted_site.url).netloc}
        assert len(requests) <= MAX_REQUESTS, requests
        assert received <= MAX_BYTES
