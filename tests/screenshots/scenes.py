"""What is photographed. A scene leads a page to a state; the rest is done for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Page, expect

from tests.screenshots.studio import Scheme, Studio, connected
from tests.screenshots.talks import SORT_ANSWER, SORT_PROMPT, SORT_THINKING

Lead = Callable[[Studio, Page], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scene:
    """`schemes`: the picture in the first is called by its name alone. Without `person` nobody is logged in."""

    name: str
    lead: Lead
    schemes: tuple[Scheme, ...] = ("light",)
    person: str | None = "ann"
    is_phone: bool = False


async def empty(studio: Studio, page: Page) -> None:
    await connected(page)
    await page.goto(f"{studio.site.url}/")
    await page.locator("[data-action=new]").first.evaluate("button => button.form.requestSubmit(button)")
    await expect(page.locator(".welcome")).to_be_visible()
    await connected(page)


async def _ask(studio: Studio, page: Page, until: str) -> None:
    await empty(studio, page)
    studio.hold_answer(SORT_THINKING, SORT_ANSWER, until)
    await page.fill("#prompt", SORT_PROMPT)
    await page.click("[data-action=send]")


async def streaming_thinking(studio: Studio, page: Page) -> None:
    await _ask(studio, page, "I should mention")
    await expect(page.locator("article [data-part=thinking]")).to_contain_text("split, sort both halves, merge.")


async def streaming_answer(studio: Studio, page: Page) -> None:
    await _ask(studio, page, "    return merged + left")
    await expect(page.locator("article [data-part=answer]")).to_contain_text(".pop(0", timeout=20_000)


async def open_talk(page: Page, title: str) -> None:
    await connected(page)
    link = page.locator("#conversation-list a", has_text=title).first
    await page.goto(await link.evaluate("link => link.href"))
    await connected(page)


async def complete(studio: Studio, page: Page) -> None:
    await open_talk(page, "Fit a line")
    await page.locator("#scroller").evaluate("scroller => (scroller.scrollTop = 0)")


async def thinking(studio: Studio, page: Page) -> None:
    await complete(studio, page)
    await page.click("article [data-part=thinking] summary")


async def busy(studio: Studio, page: Page) -> None:
    await open_talk(page, "How does HTTP caching work?")
    async with studio.visit("bob") as other:
        await streaming_thinking(studio, other)
        await page.fill("#prompt", "And what is the difference between ETag and Last-Modified?")
        await page.click("[data-action=send]")
        await expect(page.locator("#alert")).to_contain_text("busy")


async def error(studio: Studio, page: Page) -> None:
    await open_talk(page, "How does HTTP caching work?")


async def context(studio: Studio, page: Page) -> None:
    await complete(studio, page)
    block = page.locator("article [data-part=context]")
    await block.locator("summary").click()
    await expect(block.locator("table")).to_be_visible()
    await block.evaluate("block => block.scrollIntoView({ block: 'start' })")


async def feedback(studio: Studio, page: Page) -> None:
    await open_talk(page, "Bread with 80 %")
    await page.click("[data-action=note]")


async def search(studio: Studio, page: Page) -> None:
    await complete(studio, page)
    await page.fill("#search", "mea")
    await expect(page.locator("#search-results mark").first).to_be_visible()


async def history(studio: Studio, page: Page) -> None:
    await complete(studio, page)
    await page.locator("#conversation-list li", has_text="How does HTTP").hover()
    await page.locator("#conversation-list li", has_text="How does HTTP").locator(".menu > summary").click()


async def undo(studio: Studio, page: Page) -> None:
    await history(studio, page)
    await page.locator("#conversation-list li", has_text="How does HTTP").locator("[data-action=delete]").click()
    await expect(page.locator("#notice [data-action=undo]")).to_be_visible()


async def settings(studio: Studio, page: Page) -> None:
    await page.goto(f"{studio.site.url}/settings/")


async def conversation_settings(studio: Studio, page: Page) -> None:
    await complete(studio, page)
    await page.click("[data-action=settings]")


async def shortcuts(studio: Studio, page: Page) -> None:
    await complete(studio, page)
    await page.locator("#scroller").focus()
    await page.keyboard.press("?")
    await expect(page.locator("#shortcuts")).to_be_visible()


async def admin(studio: Studio, page: Page) -> None:
    await page.goto(f"{studio.site.url}/admin/chat/conversation/")
    await page.click("#result_list a >> text=Fit a line through measurements")
    await page.wait_for_selector(".review-page")


async def admin_feedback(studio: Studio, page: Page) -> None:
    await page.goto(f"{studio.site.url}/admin/chat/feedback/")


async def login(studio: Studio, page: Page) -> None:
    await page.wait_for_selector("#id_username")


async def sidebar(studio: Studio, page: Page) -> None:
    await complete(studio, page)
    await page.click(".menu-button")
    await expect(page.locator("#conversation-list a").first).to_be_in_viewport(ratio=1)


BOTH: tuple[Scheme, ...] = ("light", "dark")

SCENES = [
    Scene("empty", empty, BOTH),
    Scene("streaming-thinking", streaming_thinking),
    Scene("streaming-answer", streaming_answer, BOTH),
    Scene("complete", complete, BOTH),
    Scene("thinking", thinking),
    Scene("busy", busy),
    Scene("error", error),
    Scene("context", context, BOTH),
    Scene("feedback", feedback),
    Scene("search", search),
    Scene("history", history),
    Scene("undo", undo),
    Scene("settings", settings, BOTH),
    Scene("conversation-settings", conversation_settings),
    Scene("shortcuts", shortcuts),
    Scene("admin", admin),
    Scene("admin-feedback", admin_feedback),
    Scene("login", login, person=None),
    Scene("phone-empty", empty, is_phone=True),
    Scene("phone-answer", streaming_answer, BOTH, is_phone=True),
    Scene("phone-sidebar", sidebar, is_phone=True),
]
