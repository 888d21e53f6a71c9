"""How the page feels under the hand: scrolling, drafts, keys, copying, focus, and what is announced."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

from playwright.async_api import Locator, Page, ViewportSize, expect

from tests.browser.conftest import OpenPage, ask, connected, ended
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import SiteProcess

ANSWER = "article[data-role=assistant] [data-part=answer]"
RICH = "\n\n".join(
    [
        "# Rich",
        "A first paragraph that somebody reads while the rest is being written.",
        "```python\nfor number in range(3):\n    print(number)\n```",
        "| key | value |\n|---|---|\n" + "".join(f"| {number} | **{number}** |\n" for number in range(12)),
        *(f"{number}. A point with *words* and `code`." for number in range(1, 30)),
        "The end.",
    ]
)
CODE = "for number in range(3):\n    print(number)"

WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries()) {
    const moved = sources.map(({ node }) => node?.parentElement?.closest("article > [data-part]:not(details.context)"));
    if (!hadRecentInput && moved.some(Boolean)) window.shifts.push([value, moved.map((part) => part?.dataset.part)]);
  }
}).observe({ type: "layout-shift", buffered: true });
window.said = [];
addEventListener("DOMContentLoaded", () => {
  const announcement = document.getElementById("announcement");
  if (!announcement) return;
  new MutationObserver(() => window.said.push(announcement.textContent)).observe(announcement, { childList: true });
});
"""
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
NO_STORAGE = (
    "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
)


async def until(is_met: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await is_met():
            await asyncio.sleep(0.02)


async def below(page: Page) -> float:
    """How many pixels of the conversation are below what is seen."""
    return float(
        await page.evaluate(
            "(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)(scroller)"
        )
    )


async def grows(page: Page) -> None:
    """Until more of the answer has come."""
    height = await page.evaluate("scroller.scrollHeight")

    async def is_higher() -> bool:
        return bool(await page.evaluate("scroller.scrollHeight") > height + 40)

    await until(is_higher)


async def lets_go(page: Page) -> None:
    """The page stays where the person is reading, though more comes."""
    await until(lambda: is_at(page, above=True))
    await grows(page)  # until a smooth scroll has come to rest
    top = await page.evaluate("scroller.scrollTop")
    await grows(page)
    assert await page.evaluate("scroller.scrollTop") == top


async def follows(page: Page) -> None:
    await grows(page)
    await grows(page)
    await until(lambda: is_at(page, above=False))


async def is_at(page: Page, *, above: bool) -> bool:
    return (await below(page) > 1) is above


async def test_the_page_follows_the_answer_until_the_person_scrolls_up(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    hold = threading.Event()
    script.enqueue(reply("", RICH * 2), seconds_per_token=0.015, hold=hold)
    page = await open_page(scripted_site, viewport={"width": 1280, "height": 620})
    await ask(page, "Write")
    await expect(page.locator("[data-part=prompt]")).to_be_in_viewport()
    hold.set()
    await expect(page.locator(ANSWER)).to_contain_text("A point")
    await follows(page)
    await page.mouse.move(700, 300)
    await page.mouse.wheel(0, -6)
    await lets_go(page)
    await page.click("[data-action=to-end]")
    await expect(page.locator("#prompt")).to_be_focused()
    await follows(page)
    await page.focus("#scroller")
    await page.keyboard.press("ArrowUp")
    await lets_go(page)
    await page.keyboard.press("End")
    await follows(page)
    await page.evaluate("scroller.scrollTop -= 3")  # as a scrollbar or a finger does it
    await lets_go(page)
    await page.evaluate("""() => {
      const words = document.querySelector("[data-part=answer] p").firstChild;
      getSelection().setBaseAndExtent(words, 2, words, 17);
    }""")
    await grows(page)
    assert await page.evaluate("getSelection().toString()") == "first paragraph"
    await page.keyboard.press("Escape")
    assert await ended(page) == "stopped"


async def test_nothing_moves_while_an_answer_comes_and_only_its_start_and_end_are_told(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    hold = threading.Event()
    script.enqueue(reply("Some thinking.\n" * 9, RICH), seconds_per_token=0.004, hold=hold, hold_at=20)
    page = await open_page(scripted_site, viewport={"width": 1280, "height": 900})
    await page.context.add_init_script(WATCH_SHIFTS)
    await page.reload()
    await connected(page)
    await ask(page, "Write")
    thinking = page.locator("[data-part=thinking]")
    await expect(thinking).to_have_attribute("open", "")
    await expect(page.locator("article[aria-busy=true]")).to_be_visible()
    hold.set()
    await expect(page.locator(ANSWER)).to_contain_text("A first paragraph")
    await expect(thinking).not_to_have_attribute("open", "")
    assert await ended(page) == "complete"
    await expect(page.locator("[aria-live]:not(#announcement)")).to_have_count(0)
    await until(lambda: page.evaluate("said.length > 1"))
    assert await page.evaluate("said.filter((text) => text)") == ["Answer started", "Answer complete"]
    assert await page.evaluate("shifts") == []


async def copied(page: Page, button: Locator) -> str:
    await page.evaluate("said = []")
    await button.click()
    await expect(button).to_have_text("Copied")
    await until(lambda: page.evaluate("said.includes('Copied')"))
    await expect(button).to_have_text("Copy")
    return await pasted(page)


async def pasted(page: Page) -> str:
    """What another program would get."""
    await page.fill("#prompt", "")
    await page.focus("#prompt")
    await page.keyboard.press("Control+V")
    return await page.input_value("#prompt")


async def test_copying_takes_the_source_and_keys_reach_everything(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    script.enqueue(reply("First I think.\nThen again.", RICH))
    page = await open_page(scripted_site, permissions=["clipboard-read", "clipboard-write"])
    await page.context.add_init_script(WATCH_SHIFTS)
    for _ in ("with a clipboard", "over plain HTTP"):
        await page.reload()
        await connected(page)
        if await page.locator("article").count() == 0:
            await ask(page, "Write")
            assert await ended(page) == "complete"
        assert await copied(page, page.locator("[data-action=copy]")) == RICH
        assert await copied(page, page.locator("[data-action=copy-code]")) == CODE
        await page.click("[data-part=thinking] summary")
        assert await copied(page, page.locator("[data-action=copy-thinking]")) == "First I think.\nThen again."
        await page.context.add_init_script(NO_CLIPBOARD)
    await page.keyboard.press("Control+Shift+C")
    await expect(page.locator("[data-action=copy]")).to_have_text("Copied")
    assert await pasted(page) == RICH

    # The sheet: by key and by button, and back to where the focus was.
    await page.fill("#prompt", "")
    await page.focus("[data-action=copy]")
    await page.keyboard.press("?")
    sheet = page.locator("#shortcuts")
    await expect(sheet).to_be_visible()
    script.enqueue(reply("", "On and on."), hold=threading.Event())
    await page.keyboard.press("Escape")
    await expect(sheet).to_be_hidden()
    await expect(page.locator("[data-action=copy]")).to_be_focused()
    await page.focus("#prompt")
    await page.keyboard.type("?/")
    await expect(page.locator("#prompt")).to_have_value("?/")
    await page.keyboard.press("Control+/")
    await expect(sheet).to_be_visible()
    await page.keyboard.press("Escape")
    await page.click("[data-action=shortcuts]")
    await expect(sheet).to_be_visible()
    await page.locator("#shortcuts [data-action=close]").click()
    await expect(page.locator("[data-action=shortcuts]")).to_be_focused()

    # Escape in the sheet stops nothing; without it, it does.
    await page.locator("#prompt").press("Enter")
    await page.wait_for_selector("article[data-status=streaming]")
    await page.keyboard.press("Control+/")
    await page.keyboard.press("Escape")
    await expect(sheet).to_be_hidden()
    await expect(page.locator("article").last).to_have_attribute("data-status", "streaming")
    await page.keyboard.press("Escape")
    assert await ended(page, 2) == "stopped"

    await page.focus("#scroller")
    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()
    await page.keyboard.type("/?")
    await expect(page.locator("#search")).to_have_value("/?")
    await page.keyboard.press("Shift+Escape")
    await expect(page.locator("#prompt")).to_be_focused()
    await page.focus("#scroller")
    await page.keyboard.type("Hello")
    await expect(page.locator("#prompt")).to_have_value("Hello")
    await page.keyboard.press("Control+K")
    await expect(page.locator("#search")).to_be_focused()
    url = page.url
    await page.keyboard.press("Control+Shift+O")
    await expect(page.locator(".welcome h1")).to_be_visible()
    assert page.url != url
    await expect(page.locator("#prompt")).to_be_focused()


async def test_drafts_stay_until_they_are_sent(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    page = await open_page(scripted_site)
    await ask(page, "First")
    assert await ended(page) == "complete"
    composer = page.locator("#prompt")
    await composer.fill("A draft")
    url = page.url
    await page.click("[data-action=new]")
    await expect(composer).to_have_value("")
    await page.click("#conversation-list a >> text=First")
    await expect(composer).to_have_value("A draft")
    await page.reload()
    await expect(composer).to_have_value("A draft")
    await expect(composer).to_be_focused()

    # Another tab shows what is newer, and never writes over it.
    tab = await page.context.new_page()
    await tab.goto(url)
    await expect(tab.locator("#prompt")).to_have_value("A draft")
    await composer.fill("A newer draft")
    await expect(tab.locator("#prompt")).to_have_value("A newer draft")
    await tab.reload()
    await page.close()
    page, composer = tab, tab.locator("#prompt")
    await expect(composer).to_have_value("A newer draft")

    # An edit has its own, and leaves this one alone.
    await connected(page)
    await page.hover("[data-part=prompt]")
    await page.click("[data-action=edit]")
    await composer.fill("First, but better")
    await page.reload()
    await expect(composer).to_have_value("A newer draft")
    await page.click("[data-action=edit]")
    await expect(composer).to_have_value("First, but better")
    await page.keyboard.press("Escape")
    await expect(composer).to_have_value("A newer draft")

    # Sent: gone from every tab, also after a reload.
    tab = await page.context.new_page()
    await tab.goto(url)
    await expect(tab.locator("#prompt")).to_have_value("A newer draft")
    await connected(page)
    await page.click("[data-action=send]")
    assert await ended(page, 2) == "complete"
    await expect(composer).to_have_value("")
    await expect(tab.locator("#prompt")).to_have_value("")
    await page.reload()
    await expect(composer).to_have_value("")

    # Logged out: nothing of the person stays in the browser.
    await composer.fill("Private")
    await page.click("[data-form=log-out] button")
    await expect(page.locator("#id_username")).to_be_visible()
    assert await page.evaluate("Object.keys(localStorage)") == []


async def test_the_page_works_where_the_browser_stores_nothing(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    page = await open_page(scripted_site)
    await page.context.add_init_script(NO_STORAGE)
    await page.reload()
    await connected(page)
    await page.fill("#prompt", "Put aside")
    await page.click("[data-sample] >> nth=0")
    assert await ended(page) == "complete"
    await expect(page.locator("#prompt")).to_have_value("Put aside")
    await page.hover("[data-part=prompt]")
    await page.click("[data-action=edit]")
    await page.keyboard.press("Escape")
    await expect(page.locator("#prompt")).to_have_value("Put aside")


async def test_a_phone_gives_the_conversation_its_room(
    scripted_site: SiteProcess, script: ScriptedServer, open_page: OpenPage
) -> None:
    script.enqueue(reply("Some thinking.", RICH))
    phone = ViewportSize(width=320, height=568)
    page = await open_page(scripted_site, viewport={"width": 1000, "height": 700}, has_touch=True, is_mobile=True)
    await page.set_viewport_size(phone)
    await page.reload()
    await connected(page)
    await expect(page.locator("#prompt")).not_to_be_focused()
    await ask(page, "Write")
    assert await ended(page) == "complete"
    assert await page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    assert await page.evaluate("scroller.scrollWidth") <= phone["width"]
    small = """[...document.querySelectorAll("button, select, textarea, summary, a, label")].filter((element) => {
      if (element.closest(".prose") || !element.checkVisibility({ visibilityProperty: true })) return false;
      const { height, width, right, left } = element.getBoundingClientRect();
      return width > 1 && right > 0 && left < innerWidth && (height < 43.5);
    }).map((element) => element.outerHTML.slice(0, 120))"""
    assert await page.evaluate(small) == []
    await page.click(".menu-button")
    await expect(page.locator("#conversation-list a").first).to_be_in_viewport()
    assert await page.evaluate(small) == []
