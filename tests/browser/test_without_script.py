"""The whole way without JavaScript: plain pages, links and forms."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import ask
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import PASSWORD, SiteProcess

ANSWER = "article[data-role=assistant] [data-part=answer]"


@pytest.fixture
async def plain_page(browser: Browser, scripted_site: SiteProcess) -> AsyncIterator[Page]:
    context = await browser.new_context(java_script_enabled=False, base_url=scripted_site.url)
    yield await context.new_page()
    await context.close()


async def test_everything_works_without_scripts(plain_page: Page, script: ScriptedServer) -> None:
    page = plain_page
    await page.goto("/")
    await page.fill("#id_username", "ann")
    await page.fill("#id_password", PASSWORD)
    await page.click("button[type=submit]")
    await expect(page.locator("[data-action=shortcuts]")).to_be_hidden()

    # A sample asks at once; the page shows the answer's progress by itself, until it has ended.
    hold = threading.Event()
    script.enqueue(reply("Some thinking.", "One **word**.\n\nAnd the rest."), hold=hold, hold_at=12)
    await page.click("[data-sample] >> nth=1")
    await expect(page.locator("article[data-status=streaming]")).to_be_visible()
    await expect(page.locator("#prompt")).to_be_hidden()
    await expect(page.locator("noscript .reloads")).to_be_visible()
    hold.set()
    await expect(page.locator("article[data-status=complete]").last).to_contain_text("And the rest.", timeout=10_000)
    await expect(page.locator(f"{ANSWER} strong")).to_have_text("word")
    await expect(page.locator("#prompt")).to_be_visible()

    # Stop; whoever wants peace stops the reloading.
    script.enqueue(reply("", "word " * 100), hold=threading.Event(), hold_at=50)
    await ask(page, "Second")
    await expect(page.locator(ANSWER).last).to_contain_text("word", timeout=10_000)
    await page.click("noscript .reloads a")
    await expect(page.locator("noscript")).not_to_contain_text("every two seconds")
    await page.click("[data-action=stop]")
    await expect(page.locator("article[data-status=stopped]")).to_be_visible()

    # Another version, and back.
    script.enqueue(reply("", "Another answer."))
    await page.locator("article").last.locator("[data-action=regenerate]").click()
    await expect(page.locator(ANSWER).last).to_have_text("Another answer.", timeout=10_000)
    await page.click("[data-action=previous]")
    await expect(page.locator(ANSWER).last).to_contain_text("word word")

    # An edited prompt.
    await page.click("li.current > a")
    await page.locator("[data-action=edit]").last.click()
    await expect(page.locator("#prompt")).to_have_value("Second")
    await page.fill("#prompt", "Second, edited")
    await page.click("[data-action=send]")
    await expect(page.locator(ANSWER).last).to_have_text("An answer.", timeout=10_000)
    await page.locator("details[data-part=context] summary").last.click()
    await page.locator("details[data-part=context] a").last.click()
    await expect(page.locator("main")).to_contain_text("<|start|>")
    await page.go_back()

    # A long conversation opens at its end.
    await ask(page, "Long\n" * 60)
    await expect(page.locator(ANSWER)).to_have_count(3, timeout=10_000)
    await expect(page.locator(ANSWER).last).to_be_in_viewport()

    # Search, and settings.
    await page.fill("#search", "edited")
    await page.press("#search", "Enter")
    await page.click(".hit a, .hit button")
    await expect(page.locator("[data-part=prompt] >> text=Second, edited")).to_be_in_viewport()
    await page.click("[data-action=preferences]")
    await page.fill("[name=instructions]", "Be brief.")
    await page.click("#preferences [data-action=save]")
    await expect(page.locator("[role=status]").first).to_be_visible()
    await page.click("[data-action=back]")

    # Rename, delete, think again.
    await page.click("li.current .menu summary")
    await page.click("li.current [data-action=rename]")
    await page.fill("[name=title]", "A better title")
    await page.keyboard.press("Enter")
    await expect(page.locator("li.current > a")).to_have_text("A better title")
    await page.click("li.current .menu summary")
    await page.click("li.current [data-action=delete]")
    await expect(page.locator("#conversation-list >> text=A better title")).to_have_count(0)
    await page.click("[data-action=undo]")
    await expect(page.locator("#conversation-list >> text=A better title")).to_be_visible()
    await page.click("#conversation-list >> text=A better title")
    await expect(page.locator(ANSWER)).to_have_count(3)
    await page.click("[data-form=log-out] button")
    await expect(page.locator("#id_username")).to_be_visible()
