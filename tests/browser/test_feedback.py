"""Thumbs and a note, with mouse and keyboard."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.conftest import OpenPage, ask, connected, ended
from tests.scripted_server import ScriptedServer
from tests.site_process import SiteProcess


async def test_a_thumb_is_pressed_explained_and_taken_back(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    page = await open_page(scripted_site)
    await ask(page, "Hello")
    assert await ended(page) == "complete"
    up, down = page.locator("[data-action=thumbs-up]"), page.locator("[data-action=thumbs-down]")
    await expect(page.locator("[data-action=note]")).to_have_count(0)
    await up.click()
    await expect(up).to_have_attribute("aria-pressed", "true")
    await expect(up).to_be_focused()
    await down.focus()
    await page.keyboard.press("Enter")
    await expect(down).to_have_attribute("aria-pressed", "true")
    await expect(up).to_have_attribute("aria-pressed", "false")

    await page.locator("[data-action=note]").focus()
    await page.keyboard.press("Enter")
    note = page.get_by_label("What was good or bad about it?")
    await expect(note).to_be_focused()
    await expect(note).to_be_in_viewport(ratio=1)
    await page.keyboard.press("Escape")
    await expect(note).to_be_hidden()
    await expect(page.locator("[data-action=note]")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type("Too <b>short</b>.")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-action=note]")).to_have_text("Your note")
    await expect(page.locator("[data-action=note]")).to_be_focused()
    await expect(note).to_be_hidden()

    await page.reload()
    await connected(page)
    await expect(down).to_have_attribute("aria-pressed", "true")
    await page.click("[data-action=note]")
    await expect(note).to_have_value("Too <b>short</b>.")
    await page.keyboard.press("Escape")
    await down.click()
    await expect(down).to_have_attribute("aria-pressed", "false")
    await expect(page.locator("[data-action=note]")).to_have_count(0)
