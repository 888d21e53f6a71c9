"""axe finds nothing on any page, and the keyboard alone reaches everything."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import ask, connected, ended
from tests.conftest import NewSite
from tests.scripted_server import ScriptedServer, harmony, reply
from tests.site_process import PASSWORD, SiteProcess

RICH = r"""# A heading

Text with `code`, a [link](https://example.invalid/), ~~old~~ **bold** and \(a^2 + b^2\).

## Below it

```python
# A comment
class Adder:
    def add(self, number: int = 3) -> str:
        return f"{number + 1}" + "text"
```

| name | value |
|:-----|------:|
| one  |     1 |

- [x] done
- [ ] to do

\[ \int_0^1 x \, dx = \frac{1}{2} \]

> A quotation

1. one
2. two
"""
COLOURS = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
MISSING = "/missing/"
PAGES = (
    "/search/?q=code",
    "/search/?q=nothing+at+all",
    "/settings/",
    "/settings/api-keys/",
    "/api/docs",
    "/archived/",
    "/accounts/password/",
    MISSING,
)

Violation = Mapping[str, Sequence[Mapping[str, object]]]


@pytest.fixture
def open_site(script: ScriptedServer, new_site: NewSite) -> Iterator[SiteProcess]:
    """Where people make their accounts themselves."""
    settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": script.url, "MODEL_NAME": "scripted"}
    site = new_site(ALLOW_SIGNUP="True", **settings)
    try:
        yield site.start().wait_ready()
    finally:
        site.stop()


@pytest.fixture
async def visitor(browser: Browser, open_site: SiteProcess) -> AsyncIterator[Page]:
    """Somebody who is not logged in; still pages, so that no colour is measured on its way."""
    context = await browser.new_context(base_url=open_site.url, reduced_motion="reduce")
    yield await context.new_page()
    await context.close()


@dataclass
class Inspector:
    """Looks at a page with axe, in light and, for its colours, in dark."""

    page: Page
    found: list[str] = field(default_factory=list)

    async def look(self, name: str) -> None:
        await self.page.emulate_media(color_scheme="light")
        self.note(f"{name}, light", (await Axe().run(self.page)).response)
        await self.page.emulate_media(color_scheme="dark")
        self.note(f"{name}, dark", await self.page.evaluate("(options) => axe.run(options)", COLOURS))

    def note(self, name: str, results: dict[str, list[Violation]]) -> None:
        for violation in results["violations"]:
            places = "\n  ".join(f"{node['target']} {str(node['html'])[:160]}" for node in violation["nodes"])
            self.found.append(f"{name}: {violation['id']}: {violation['help']}\n  {places}")


async def log_in(inspector: Inspector) -> None:
    page = inspector.page
    for address in ("/accounts/signup/", "/accounts/login/"):
        await page.goto(address)
        await inspector.look(address)
    for password in ("wrong", PASSWORD):
        await page.fill("#id_username", "ann")
        await page.fill("#id_password", password)
        await page.click("button[type=submit]")
        if password == "wrong":
            await expect(page.locator("[role=alert]")).to_be_visible()
            await inspector.look("log-in refused")
    await connected(page)
    await inspector.look("empty conversation")


async def see_answers(inspector: Inspector, script: ScriptedServer) -> None:
    page = inspector.page
    hold = threading.Event()
    script.enqueue(reply("Some thinking.", RICH), hold=hold, hold_at=4)
    await ask(page, "Write")
    await page.wait_for_selector("[data-part=thinking][open]")
    await inspector.look("thinking")
    hold.set()
    assert await ended(page) == "complete"
    await page.click("[data-part=thinking] summary")
    await page.hover("[data-part=prompt]")
    await inspector.look("complete")

    script.enqueue(reply("", RICH), hold=threading.Event(), hold_at=60)
    await ask(page, "Again")
    await page.wait_for_selector("article[data-status=streaming] pre")
    await inspector.look("streaming")
    assert await page.evaluate("document.getAnimations().length") == 0, "who wants no motion gets none"
    await page.keyboard.press("Escape")
    assert await ended(page, 2) == "stopped"
    await page.locator("[data-action=regenerate]").last.click()
    await expect(page.locator("[data-action=previous]")).to_be_visible()
    assert await ended(page, 2) == "complete"

    for _ in range(3):
        script.enqueue(harmony("<|channel|>final<|message|>Not to be"), finish_reason=None)
    await ask(page, "Fail")
    assert await ended(page, 3) == "failed", "twice it is tried again"
    await page.locator("[data-action=regenerate]").last.click()
    await expect(page.locator("[data-action=previous]")).to_have_count(2)
    assert await ended(page, 3) == "complete"
    await page.locator("[data-action=previous]").last.click()
    await expect(page.locator("article").last).to_have_attribute("data-status", "failed")
    await inspector.look("failed, with versions")


async def open_panels(inspector: Inspector) -> None:
    page = inspector.page
    await page.locator("details[data-part=context] summary").first.click()
    await page.wait_for_selector("details[data-part=context] table")
    await page.locator("[data-action=thumbs-down]").first.click()
    await page.click("[data-action=note]")
    await inspector.look("context, and a note")
    await page.click("[data-action=settings]")
    await inspector.look("settings of the conversation")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+/")
    await expect(page.locator("#shortcuts")).to_be_visible()
    await inspector.look("shortcuts")
    await page.keyboard.press("Escape")
    await page.fill("#search", "code")
    await page.wait_for_selector("#search-results mark")
    await inspector.look("search as one types")
    await page.keyboard.press("Escape")
    await page.click("li.current .menu summary")
    await inspector.look("menu of a conversation")
    await page.click("li.current [data-action=rename]")
    await page.wait_for_selector(".renaming input[name=title]")
    await inspector.look("rename")
    await page.keyboard.press("Escape")


async def open_pages(inspector: Inspector) -> None:
    page = inspector.page
    answer = await page.locator("article[data-role=assistant]").first.get_attribute("id") or ""
    own = [f"{page.url}{place}/" for place in ("settings", "rename", f"context/{answer.removeprefix('message-')}")]
    for address in [*own, *PAGES]:
        response = await page.goto(address)
        assert response is not None
        assert response.status == (404 if address == MISSING else 200), address
        await inspector.look(address)


async def hold_a_phone(inspector: Inspector) -> None:
    page = inspector.page
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto("/")
    await connected(page)
    await inspector.look("phone")
    await page.click(".menu-button")
    await expect(page.locator("#conversation-list a").first).to_be_in_viewport()
    await inspector.look("phone with its sidebar")
    await page.click("li.current .menu summary")
    await page.click("li.current [data-action=delete]")
    await page.wait_for_selector("[data-action=undo]")
    await inspector.look("phone with a notice")


async def test_axe_finds_nothing(open_site: SiteProcess, script: ScriptedServer, visitor: Page) -> None:
    inspector = Inspector(visitor)
    await log_in(inspector)
    await see_answers(inspector, script)
    await open_panels(inspector)
    await open_pages(inspector)
    await hold_a_phone(inspector)
    assert not inspector.found, "\n".join(inspector.found)


async def tab_to(page: Page, selector: str, key: str = "Tab") -> None:
    """By keyboard alone; where the focus arrives, it is seen."""
    for _ in range(60):
        if await page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            break
        await page.keyboard.press(key)
    await expect(page.locator(f"{selector}:focus-visible")).to_have_count(1)
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none" or selector == "#prompt", selector


async def test_the_keyboard_alone_reaches_everything(
    open_site: SiteProcess, script: ScriptedServer, visitor: Page
) -> None:
    page, keyboard = visitor, visitor.keyboard
    await page.goto("/")
    await expect(page.locator("#id_username")).to_be_focused()
    await keyboard.type("ann")
    await keyboard.press("Tab")
    await expect(page.locator("#id_password")).to_be_focused()
    await keyboard.type(PASSWORD)
    await keyboard.press("Enter")
    await connected(page)
    script.enqueue(reply("", "word " * 100), hold=threading.Event(), hold_at=20)
    await keyboard.type("A prompt")
    await keyboard.press("Enter")
    await page.wait_for_selector("article[data-status=streaming]")
    await tab_to(page, "[data-action=stop]")
    await keyboard.press("Enter")
    assert await ended(page) == "stopped"
    await expect(page.locator("#prompt")).to_be_focused()
    await tab_to(page, "[data-action=copy]", "Shift+Tab")
    await keyboard.press("Enter")
    await expect(page.locator("[data-action=copy]")).not_to_have_text("Copy")
    await tab_to(page, "li.current summary", "Shift+Tab")
    await keyboard.press("Enter")
    await tab_to(page, "li.current [data-action=rename]")
    await keyboard.press("Enter")
    await expect(page.locator("input[name=title]")).to_be_focused()
    await expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)
    await keyboard.type("Renamed")
    await keyboard.press("Enter")
    await expect(page.locator("li.current > a")).to_have_text("Renamed")
    await expect(page.locator("li.current > a")).to_be_focused()
    await tab_to(page, "li.current summary")
    await keyboard.press("Enter")
    await tab_to(page, "li.current [data-action=delete]")
    await keyboard.press("Enter")
    await page.wait_for_selector("[data-action=undo]")
    await tab_to(page, "[data-action=undo]", "Shift+Tab")
    await keyboard.press("Enter")
    await expect(page.locator("#conversation-list a >> text=Renamed")).to_be_visible()
    await tab_to(page, "#conversation-list a")
    await keyboard.press("Enter")
    await expect(page.locator("article[data-status=stopped]")).to_be_visible()
