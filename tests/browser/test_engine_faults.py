"""The site comes up whatever the engine does, and says why it cannot answer."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.conftest import OpenPage, ask, ended
from tests.conftest import NewSite
from tests.scripted_server import ScriptedServer
from tests.site_process import free_port


async def test_a_missing_model_is_shown_and_the_prompt_is_kept(new_site: NewSite, open_page: OpenPage) -> None:
    site = new_site(MODEL_NAME="/no/such/model").start()
    try:
        page = await open_page(site)
        status = page.locator("#engine-status")
        await expect(status).to_have_attribute("data-state", "failed", timeout=60_000)
        await expect(status).to_contain_text("There is no model folder /no/such/model.")
        await ask(page, "Hello")
        await expect(page.locator("[role=alert]")).to_contain_text("no model folder")
        assert await page.input_value("textarea[name=prompt]") == "Hello"
    finally:
        site.stop()
    assert "Traceback" not in site.log


async def test_a_server_that_comes_later_is_found(new_site: NewSite, open_page: OpenPage) -> None:
    port = free_port()
    site = new_site(ENGINE="vllm-server", VLLM_SERVER_URL=f"http://127.0.0.1:{port}", MODEL_NAME="scripted")
    site.start()
    server = ScriptedServer()
    try:
        page = await open_page(site)
        status = page.locator("#engine-status")
        await expect(status).to_have_attribute("data-state", "failed", timeout=20_000)
        server.start(port)
        await expect(status).to_have_attribute("data-state", "ready", timeout=60_000)
        await ask(page, "Hello")
        assert await ended(page) == "complete"
    finally:
        site.stop()
        server.stop()


async def test_a_prompt_put_off_while_loading_may_be_sent_when_it_is_ready(
    new_site: NewSite, open_page: OpenPage
) -> None:
    site = new_site(MODEL_NAME="demo").start()
    try:
        page = await open_page(site)
        await ask(page, "Hello")
        await expect(page.locator("[role=alert]")).to_contain_text("still loading")
        await expect(page.locator("#alert")).to_contain_text("send your prompt now", timeout=240_000)
        await page.click("[data-action=send]")
        assert await ended(page) == "complete"

        site.stop()
        await expect(page.locator("body")).to_have_attribute("data-connection", "lost")
        await ask(page, "And now?")
        await expect(page.locator("#alert")).to_contain_text("as soon as the server is back")
        site.start()
        assert await ended(page, 2, seconds=240) == "complete", "sent by itself, when the model had been loaded"
        await expect(page.locator("#prompt")).to_have_value("")
    finally:
        site.stop()
