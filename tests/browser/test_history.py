"""The list of conversations in Chromium: search while typing, renaming in place, Undo, and the way without a script."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.browser.conftest import OpenPage, ask, connected, ended
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import PASSWORD, SiteProcess

HISTORY = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from chat.models import Conversation

ann = User.objects.get(username="ann")
for number in range(70):
    moment = timezone.now() - timedelta(days=number)
    talk = Conversation.objects.create(owner=ann, title=f"Talk {number}", updated_at=moment)
    asked = talk.messages.create(role="user", text=f"Number {number}: where do zebras <b>sleep</b>?")
    if number == 65:
        talk.messages.create(parent=asked, role="assistant", text="Okapis sleep in the forest.")
    talk.leaf = talk.messages.create(parent=asked, role="assistant", text="They sleep standing.", effort="low")
    talk.save()
"""


async def test_the_history_is_searched_renamed_and_deleted(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    done = scripted_site.manage("shell", "-v0", "-c", HISTORY)
    assert done.returncode == 0, done.stderr
    page = await open_page(scripted_site)
    lines = page.locator("#conversation-list li:not([hidden])")
    search, hits = page.locator("#search"), page.locator("#search-results .hit")

    # More of the list comes as its end is reached.
    await expect(lines).to_have_count(30)
    for number in (60, 70):
        await page.locator("#conversation-list .older").scroll_into_view_if_needed()
        await expect(lines).to_have_count(number)

    # Results come while one types; the keyboard goes through them; Escape brings the list back.
    await search.press_sequentially("number 6", delay=10)
    await expect(hits).to_have_count(11)
    await expect(page.locator("#conversation-list")).to_be_hidden()
    await expect(hits.first.locator(".hit-excerpt mark").first).to_have_text("Number")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(hits.nth(1).locator("a")).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowUp")
    await expect(search).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#conversation-list")).to_be_visible()
    await expect(search).to_have_value("")

    # A hit in a version that is not shown opens it, at the message.
    await search.fill("okapis")
    await hits.locator("button").click()
    await connected(page)
    await expect(page.locator("article:target [data-part=answer]")).to_have_text("Okapis sleep in the forest.")
    await expect(page.locator("article:target")).to_be_in_viewport()

    # A new prompt moves this old conversation, which the list has not loaded, to its top.
    script.enqueue(reply("", "In the rain forest."))
    await ask(page, "Which forest?")
    await ended(page, 2)
    await expect(page.locator("#conversations-today li").first).to_have_class("current")
    await expect(page.locator("li.current > a")).to_have_text("Talk 65")

    # Renaming in place: Escape leaves it, Enter saves it.
    await page.locator("li.current > a").dblclick()
    title = page.locator(".renaming input[name=title]")
    await expect(title).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("li.current > a")).to_be_focused()
    await page.click("li.current .menu summary")
    await page.click("li.current [data-action=rename]")
    await expect(title).to_be_focused()
    await page.keyboard.type("A <better> title")  # all of the old one is selected
    await page.keyboard.press("Enter")
    await expect(page.locator("li.current > a")).to_have_text("A <better> title")

    # Pinned, and archived.
    await page.click("li.current .menu summary")
    await page.click("li.current [data-action=pin]")
    await expect(page.locator("#conversations-pinned li > a")).to_have_text("A <better> title")
    other = lines.filter(has=page.get_by_role("link", name="Talk 1", exact=True))
    await other.hover()
    await other.locator("summary").click()
    await other.locator("[data-action=archive]").click()
    await expect(other).to_have_count(0)
    await expect(page.locator("#notice")).to_contain_text("“Talk 1” is in the archive now.")

    # Deleting another one, and this one; Undo survives the change of the page.
    other = lines.filter(has=page.get_by_role("link", name="Talk 2", exact=True))
    await other.hover()
    await other.locator("summary").click()
    await other.locator("[data-action=delete]").click()
    await expect(other).to_have_count(0)
    await page.click("#notice [data-action=undo]")
    await expect(other).to_have_count(1)
    await page.click("li.current .menu summary")
    await page.click("li.current [data-action=delete]")
    await expect(page.locator("li.current > a")).to_have_text("Talk 0")
    await connected(page)
    await page.click("#notice [data-action=undo]")
    await expect(page.locator("#conversations-pinned li > a")).to_have_text("A <better> title")


async def test_without_a_script_one_finds_renames_deletes_and_brings_back(
    scripted_site: SiteProcess, browser: Browser
) -> None:
    done = scripted_site.manage("shell", "-v0", "-c", HISTORY)
    assert done.returncode == 0, done.stderr
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(scripted_site.url)
    await page.fill("#id_username", "ann")
    await page.fill("#id_password", PASSWORD)
    await page.click("button[type=submit]")
    await page.click("#conversation-list .older a")
    await expect(page.locator(".rows li")).to_have_count(30)
    await page.fill("#search", "okapis")
    await page.press("#search", "Enter")
    await page.click(".hit button")
    await expect(page.locator("article:target")).to_contain_text("Okapis sleep")
    await page.click("#conversations-today .menu summary")
    await page.click("#conversations-today [data-action=rename]")
    await page.fill("#id_title", "Renamed")
    await page.click("main [type=submit]")
    await page.click("li.current .menu summary")
    await page.click("li.current [data-action=delete]")
    await expect(page.locator("#notice")).to_contain_text("Deleted “Renamed”.")
    await page.click("#notice [data-action=undo]")
    await expect(page.locator("li.current > a")).to_have_text("Renamed")
    await context.close()
