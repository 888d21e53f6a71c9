"""What a page shows without a browser: its HTML, and the frames that came after it."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

if not settings.configured:
    settings.configure(USE_I18N=False)  # no setting matters for reading HTML

from tests.document import parsed, swap


def shown_after(page: str, frames: Iterable[str]) -> tuple[str, str]:
    """The thinking and the answer at the end."""
    root = parsed(page)
    for frame in frames:
        swap(root, frame)
    (article,) = root.where("data-role", "assistant")
    (thinking,) = article.where("data-part", "thinking")
    (answer,) = article.where("data-part", "answer")
    (text,) = thinking.of_class("text")
    return text.text.strip(), answer.text.strip()


def shown_of(html: str) -> str:
    """The text of a rendered answer."""
    return parsed(html).text.strip()
