"""The forms that one conversation can be had in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from chat.models import Conversation
from chat.transfer import document, harmony_export, markdown_export


@dataclass(frozen=True, slots=True)
class Format:
    suffix: str
    content_type: str
    write: Callable[[Conversation], str]


def _json(conversation: Conversation) -> str:
    return json.dumps(document.write(conversation), ensure_ascii=False, indent=1) + "\n"


FORMATS = {
    "markdown": Format("md", "text/markdown; charset=utf-8", markdown_export.write),
    "json": Format("json", "application/json", _json),
    "harmony": Format("harmony.txt", "text/plain; charset=utf-8", harmony_export.write),
}
