"""Mechanical checks of one completion: is it well-formed Harmony, and does its answer match the expressions of the prompt?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypedDict

from inference.demo.training.exchange import Effort

_TEXT = r"((?:(?!<\|).)*)"
_WELL_FORMED = re.compile(
    rf"(?:<\|channel\|>analysis<\|message\|>{_TEXT}<\|end\|><\|start\|>assistant)?<\|channel\|>final<\|message\|>{_TEXT}<\|return\|>",
    re.DOTALL,
)
_NO_LETTER = re.compile(r"[^\w+*/=-]+")


class Turn(TypedDict):
    user: str
    assistant: str


class Prompt(TypedDict, total=False):
    """`all`, `any`, `none` are case-insensitive expressions on the text of the answer."""

    category: str
    effort: Effort
    history: list[Turn]
    prompt: str
    all: list[str]
    any: list[str]
    none: list[str]


@dataclass(frozen=True)
class Reply:
    is_well_formed: bool
    analysis: str
    final: str


def parse(completion: str) -> Reply:
    """The decoded tokens after `<|start|>assistant`; strict: at most one analysis, one final message, `<|return|>`."""
    match = _WELL_FORMED.fullmatch(completion)
    if match is None:
        return Reply(False, "", completion)
    return Reply(True, match[1] or "", match[2])


def is_right(prompt: Prompt, reply: Reply) -> bool:
    def found(kind: Literal["all", "any", "none"]) -> list[bool]:
        return [re.search(each, reply.final, re.IGNORECASE | re.DOTALL) is not None for each in prompt.get(kind, [])]

    wanted_any = found("any")
    return reply.is_well_formed and all(found("all")) and (any(wanted_any) or not wanted_any) and not any(found("none"))


def normalised(text: str) -> str:
    """Small letters without punctuation, for finding the same wording again."""
    return _NO_LETTER.sub(" ", text.lower()).strip()
