"""What an open page does when its session ends."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, connected
from tests.site_process import PASSWORD, SiteProcess

DRAFT = "Not sent yet"
NEW_PASSWORD = "another-horse-8"


async def change_password(page: Page, site: SiteProcess) -> None:
    await page.goto(f"{site.url}/accounts/password/")
    await page.fill("#id_old_password", PASSWORD)
    for field in ("#id_new_password1", "#id_new_password2"):
        await page.fill(field, NEW_PASSWORD)
    await page.click("button.primary")


async def test_a_page_without_its_session_leads_to_the_log_in_and_keeps_the_draft(
    scripted_site: SiteProcess, open_page: OpenPage
) -> None:
    page = await open_page(scripted_site)
    elsewhere = await open_page(scripted_site)
    conversation = page.url
    await page.fill("#prompt", DRAFT)

    # Another tab of the same browser changes the password: this page goes on, all other browsers' end.
    async with page.expect_navigation(url=conversation):
        await change_password(await page.context.new_page(), scripted_site)
    await elsewhere.wait_for_url("**/accounts/login/?next=/c/**")
    await connected(page)
    await expect(page.locator("#prompt")).to_have_value(DRAFT)

    await page.wait_for_load_state("networkidle")  # the meter asks with the draft
    with closing(sqlite3.connect(scripted_site.folder / "db.sqlite3", timeout=20)) as database, database:
        database.execute("DELETE FROM django_session")
    await page.wait_for_url("**/accounts/login/?next=/c/**")
    await page.fill("#id_username", "ann")
    await page.fill("#id_password", NEW_PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_url(conversation)
    await connected(page)
    await expect(page.locator("#prompt")).to_have_value(DRAFT)
