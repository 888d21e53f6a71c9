"""What a response must be, whatever was sent: no error of the server, and nothing of what was planted."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx

from tests.document import Element
from tests.hostile.texts import COOKIE, HEADER, PLANT, RENDERED

SCRIPTING = ("javascript:", "vbscript:", "data:text/html")
OPENED = ("href", "src", "action", "formaction", "hx-get", "hx-post")


class _Planted(HTMLParser):
    """Takes the contents of script, style, textarea and title for markup, too: what is planted there is as bad."""

    CDATA_CONTENT_ELEMENTS = ()  # type: ignore[misc]  # final to the stubs alone
    RCDATA_CONTENT_ELEMENTS = ()  # type: ignore[misc]

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            is_scripting = name in OPENED and (value or "").strip().lower().startswith(SCRIPTING)
            if PLANT in name or is_scripting or name.startswith("on"):
                self.found.append(f"<{tag} {name}={value!r}>")
        if PLANT in tag:
            self.found.append(f"<{tag}>")


def planted(html: str) -> list[str]:
    """The elements and attributes that somebody else has put there."""
    parser = _Planted()
    parser.feed(html)
    parser.close()
    return parser.found + [RENDERED] * (RENDERED in html)


def check(response: httpx.Response) -> httpx.Response:
    """Returns it."""
    assert response.status_code < 500, (response.request.url, response.text[:300])
    assert HEADER not in response.headers, response.headers
    assert COOKIE not in response.cookies, response.headers
    place = urlsplit(response.headers.get("location", ""))
    assert place.hostname in (None, response.request.url.host), place
    assert not place.scheme or place.scheme == response.request.url.scheme, place
    if "html" in response.headers.get("content-type", ""):
        assert not planted(response.text), (response.request.url, planted(response.text))
    return response


def field_value(page: Element, name: str) -> str:
    """What the last field of that name has, as a browser reads it."""
    field = page.where("name", name)[-1]
    return field.text.removeprefix("\n") if field.tag == "textarea" else field.attributes.get("value", "")
