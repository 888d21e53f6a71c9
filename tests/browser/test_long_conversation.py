"""A conversation of a thousand messages: its end at first, the rest as one scrolls up, and no less after a break."""

from __future__ import annotations

from playwright.async_api import expect

from tests.bench.filled_site import fill
from tests.browser.conftest import OpenPage, ask, connected
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import SiteProcess

ARTICLES = "#messages > article"
LENGTH = 100


async def test_earlier_messages_come_as_one_scrolls_up(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    key = fill(scripted_site, f"conversation({LENGTH})")
    page = await open_page(scripted_site)
    await page.goto(f"{scripted_site.url}/c/{key}/")
    await connected(page)
    await expect(page.locator(ARTICLES)).to_have_count(20)
    await expect(page.locator(ARTICLES).last).to_be_in_viewport()

    await page.mouse.move(700, 20)  # over the top bar: the messages scroll, never the page
    await page.mouse.wheel(0, 600)
    heights = await page.evaluate("[document.documentElement.scrollHeight, innerHeight, scrollY]")
    assert heights == [heights[1], heights[1], 0]

    first = page.locator(ARTICLES).first
    identifier = await first.get_attribute("id")
    await first.scroll_into_view_if_needed()
    await expect(page.locator(ARTICLES)).to_have_count(80)
    await expect(page.locator(f"#{identifier}")).to_be_in_viewport()  # what one reads stays where it is

    scripted_site.stop()
    await expect(page.locator("body")).to_have_attribute("data-connection", "lost")
    scripted_site.start().wait_ready()
    await page.wait_for_selector("body[data-connection=open]")
    await expect(page.locator(ARTICLES)).to_have_count(80)
    script.enqueue(reply("", "The newest."))
    await ask(page, "Go on")
    await expect(page.locator(ARTICLES)).to_have_count(82)
    await expect(page.locator("[data-part=answer]").last).to_have_text("The newest.")

    served = await page.goto(f"{page.url}?from={(identifier or '').removeprefix('message-')}#{identifier}")
    await expect(page.locator(f"#{identifier}")).to_be_in_viewport()
    assert served is not None
    assert (await served.text()).count("<article") == 22  # the page may be fetching what is before it already
