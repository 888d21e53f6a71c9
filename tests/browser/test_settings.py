"""Settings as a person meets them: what is chosen shows at once, with script and without."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import OpenPage, ask, ended
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import PASSWORD, SiteProcess

DARK, LIGHT = "rgb(23, 25, 28)", "rgb(255, 255, 255)"


async def ground(page: Page) -> str:
    return str(await page.evaluate("getComputedStyle(document.body).backgroundColor"))


async def test_settings_show_at_once(open_page: OpenPage, scripted_site: SiteProcess, script: ScriptedServer) -> None:
    page = await open_page(scripted_site, color_scheme="dark")
    address = page.url
    assert await ground(page) == DARK

    # The colours, without a new page: the focus stays on the switch, and what is in the composer too.
    await page.fill("#prompt", "A draft")
    await page.click("#theme button:visible")
    await expect(page.locator("#theme")).to_have_attribute("data-theme", "light")
    assert await ground(page) == LIGHT
    await expect(page.locator("#theme .to-dark")).to_be_focused()
    await expect(page.locator("#prompt")).to_have_value("A draft")
    await page.reload()
    assert await ground(page) == LIGHT
    await page.keyboard.press("Escape")
    await page.fill("#prompt", "")

    # The conversation's own, before its first prompt.
    panel = page.locator("#conversation-settings")
    await page.click("#conversation-settings > summary")
    await expect(panel.locator("textarea")).to_be_hidden()
    await panel.get_by_label("Own ones").check()
    await panel.get_by_label("Own instructions").fill("Rhyme.")
    await panel.get_by_label("named").fill("Poet")
    await panel.get_by_label("Effort").select_option("high")
    await panel.get_by_label("Longest answer").fill("321")
    await panel.locator("[data-action=save-settings]").click()
    await expect(panel.locator(".saved")).to_be_visible()
    await expect(panel.locator(".mark")).to_be_visible()
    await expect(page.locator("#effort")).to_have_value("high")
    await page.keyboard.press("Escape")
    await expect(panel.locator("form")).to_be_hidden()
    script.enqueue(reply("", "In verse."))
    await ask(page, "Hello", effort="high")
    assert await ended(page) == "complete"
    assert script.requests[-1]["max_tokens"] == 321

    # A preset brings its text, which is not saved before it is.
    await page.click("#conversation-settings > summary")
    await panel.get_by_label("Own instructions").fill("")
    await panel.get_by_label("Preset", exact=True).select_option(label="Poet")
    await panel.locator("[data-action=fill]").click()
    await expect(panel.get_by_label("Own instructions")).to_have_value("Rhyme.")

    # The settings page, and the way back.
    await page.keyboard.press("Escape")
    await page.click("[data-action=preferences]")
    await page.get_by_label("Language").select_option(label="Deutsch")
    await page.get_by_label("Colours", exact=True).select_option("dark")
    await page.click("[data-action=save]")
    await expect(page.locator("html[lang=de][data-theme=dark]")).to_have_count(1)
    await expect(page.get_by_role("status").first).to_be_visible()
    assert await ground(page) == DARK
    await page.click("[data-action=back]")
    await page.wait_for_url(address)


async def test_settings_need_no_script(browser: Browser, scripted_site: SiteProcess) -> None:
    context = await browser.new_context(
        java_script_enabled=False, viewport={"width": 320, "height": 640}, color_scheme="light"
    )
    page = await context.new_page()
    await page.goto(f"{scripted_site.url}/accounts/login/?next=/settings/")
    await page.fill("#id_username", "ann")
    await page.fill("#id_password", PASSWORD)
    await page.click("button[type=submit]")
    await page.click("#theme button:visible")
    await expect(page.locator("html[data-theme=dark]")).to_have_count(1)
    assert page.url.endswith("/settings/")
    await page.click(".preset summary")
    await page.fill("#preset-new-name", "Poet")
    await page.fill("#preset-new-instructions", "Rhyme.")
    await page.click("[data-action=save-preset]")
    await expect(page.locator(".preset").first).to_contain_text("Poet")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await page.click("[data-action=back]")

    await page.click("#conversation-settings > summary")
    panel = page.locator("#conversation-settings")
    await panel.get_by_label("Own ones").check()
    await panel.get_by_label("Preset", exact=True).select_option(label="Poet")
    await panel.locator("[data-action=fill]").click()
    assert page.url.endswith("/settings/")
    await expect(page.get_by_label("Own instructions")).to_have_value("Rhyme.")
    await page.click("[data-action=save-settings]")
    await expect(panel.locator(".mark")).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await context.close()
