"""The page itself, over an engine that writes what the test tells it to."""

from __future__ import annotations

import signal
import threading

from playwright.async_api import APIResponse, Page, expect

from tests.browser.conftest import OpenPage, ask, connected, ended
from tests.document import shown
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import SiteProcess

ANSWER = "article[data-role=assistant] [data-part=answer]"
PARAGRAPHS = "\n\n".join(
    f"Paragraph {number} of an answer with <b>markup</b> & 👩‍🚀.\n  indented" for number in range(30)
)


async def text_of(page: Page) -> str:
    return (await page.locator(ANSWER).text_content() or "").strip()


async def test_the_page_shows_exactly_what_the_engine_wrote(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    script.enqueue(reply("First I think.\nThen again.", PARAGRAPHS), seconds_per_token=0.001)
    page = await open_page(scripted_site)
    second = await page.context.new_page()
    await second.goto(page.url)
    await connected(second)
    await ask(page, "Write")
    for each in (page, second):
        assert await ended(each) == "complete"
        assert await text_of(each) == shown(PARAGRAPHS)
        assert await each.locator("[data-part=thinking] .text").text_content() == "First I think.\nThen again."


async def test_a_reload_in_mid_answer_shows_the_text_so_far_and_goes_on(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    script.enqueue(reply("", PARAGRAPHS), seconds_per_token=0.008)
    page = await open_page(scripted_site)
    await ask(page, "Write")
    await expect(page.locator(ANSWER)).to_contain_text("Paragraph 10 ")
    served = await (await page.context.request.get(page.url)).text()
    assert "Paragraph 0 " in served, "what was checkpointed is there before any script runs"
    await page.reload()
    assert shown(PARAGRAPHS).startswith(await text_of(page) or "-")
    assert await ended(page) == "complete"
    assert await text_of(page) == shown(PARAGRAPHS)


async def test_conversations_survive_a_restart(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    page = await open_page(scripted_site)
    await ask(page, "Remember this")
    assert await ended(page) == "complete"
    scripted_site.stop()
    await expect(page.locator("body")).to_have_attribute("data-connection", "lost")
    scripted_site.start().wait_ready()
    await page.wait_for_selector("body[data-connection=open]")
    await page.goto(f"{scripted_site.url}/")
    await page.click("#conversation-list >> text=Remember this")
    await expect(page.locator(ANSWER)).to_have_text("An answer.")


async def test_a_killed_server_loses_at_most_a_second(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    script.enqueue(reply("", "".join(f"{number} " for number in range(450))), seconds_per_token=0.01)
    page = await open_page(scripted_site)
    await ask(page, "Write")
    await expect(page.locator(ANSWER)).to_contain_text("200 ", timeout=60_000)
    seen = (await text_of(page)).split()
    scripted_site.stop(signal.SIGKILL)
    scripted_site.start().wait_ready()
    await expect(page.locator("article[data-status=interrupted]")).to_be_visible(timeout=30_000)
    saved = (await text_of(page)).split()
    assert len(saved) > len(seen) - 1.5 * 100 / 2, "two tokens a number, a hundred a second"
    await expect(page.locator("article[data-status=interrupted]")).to_contain_text("Interrupted")


async def test_the_keyboard_is_enough(scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage) -> None:
    hold = threading.Event()
    script.enqueue(reply("", "Stop me."), hold=hold)
    page = await open_page(scripted_site)
    await expect(page.locator("#prompt")).to_be_focused()
    await page.keyboard.type("Two")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("lines")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-part=prompt]")).to_have_text("Two\nlines")
    await expect(page.locator("#prompt")).to_have_value("")
    await expect(page.locator("#prompt")).to_be_focused()
    await page.keyboard.press("Escape")
    assert await ended(page) == "stopped"
    hold.set()


async def test_a_thinking_block_stays_as_the_person_left_it(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    script.enqueue(reply("word " * 100, "answer " * 100), seconds_per_token=0.01)
    page = await open_page(scripted_site)
    await ask(page, "Write")
    thinking = page.locator("[data-part=thinking]")
    await expect(thinking).to_have_attribute("open", "")
    await page.click("[data-part=thinking] summary")
    await page.click("[data-part=thinking] summary")
    assert await ended(page) == "complete"
    await expect(thinking).to_have_attribute("open", "")


async def test_a_phone_shows_it_without_scrolling_sideways(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    script.enqueue(reply("", "W" * 400 + " " + "https://example.invalid/" + "x" * 200))
    page = await open_page(scripted_site, viewport={"width": 1000, "height": 700})
    await page.set_viewport_size({"width": 360, "height": 640})
    await ask(page, "Wide")
    await ended(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await page.evaluate("document.querySelector('#scroller').scrollWidth") <= 360
    await page.click(".menu-button")
    await expect(page.locator("#conversation-list a").first).to_be_in_viewport()


async def test_without_scripts_one_can_ask_and_read(
    scripted_site: SiteProcess, script: ScriptedServer, browser: object, open_page: OpenPage
) -> None:
    page = await open_page(scripted_site, "bob")
    url = page.url
    state = await page.context.storage_state()
    context = await browser.new_context(java_script_enabled=False, storage_state=state)  # type: ignore[attr-defined]
    plain = await context.new_page()
    await plain.goto(url)
    await ask(plain, "Hello")
    await plain.wait_for_selector("article[data-role=assistant]")
    await plain.goto(url)
    await expect(plain.locator(ANSWER)).to_have_text("An answer.")
    await context.close()


async def test_the_form_without_a_socket(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    script.default.hold = threading.Event()
    page = await open_page(scripted_site)
    token = await page.locator("#composer [name=csrfmiddlewaretoken]").get_attribute("value")

    async def post(place: str, **form: str) -> APIResponse:
        return await page.context.request.post(
            f"{page.url}{place}/",
            form={**form, "csrfmiddlewaretoken": token or ""},
            headers={"Referer": page.url},
            max_redirects=0,
        )

    assert (await post("prompt", prompt=" ")).status == 400
    assert (await post("prompt", prompt="Hello")).status == 302
    busy = await post("prompt", prompt="Kept text")
    assert (busy.status, busy.headers["retry-after"]) == (429, "5")
    assert "Kept text</textarea>" in await busy.text()
    answer = await page.locator("article[data-role=assistant]").get_attribute("id") or ""
    assert (await post("act", action="stop", message=answer.removeprefix("message-"))).status == 302
    assert await ended(page) == "stopped"
    script.stop()
    await expect(page.locator("#engine-status")).to_have_attribute("data-state", "failed", timeout=30_000)
    assert (await post("prompt", prompt="Kept text")).status == 503
