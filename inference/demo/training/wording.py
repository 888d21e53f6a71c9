"""Turns a pattern with [a|b|c] alternatives into one wording, and makes wordings casual the way people type."""

from __future__ import annotations

import re
from functools import cache
from random import Random

from inference.demo.training.wordings import sections

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_WORD = re.compile(r"[A-Za-z]{5,}")


@cache
def _casual(kind: str) -> tuple[str, ...]:
    """What is put before or after a question; an underscore in the file is a space at an end."""
    return tuple(each.replace("_", " ") for each in sections("casual")[kind])


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    lines = (each.split(": ") for each in sections("casual")["synonyms"])
    return {word: tuple(others.split(", ")) for word, others in lines}


def paraphrased(text: str, random: Random) -> str:
    """The text with other words of the same meaning, here and there."""

    def other(match: re.Match[str]) -> str:
        return random.choice(_synonyms()[match[0]]) if random.random() < 0.5 else match[0]

    return _replaceable().sub(other, text)


@cache
def _replaceable() -> re.Pattern[str]:
    return re.compile(r"\b(" + "|".join(map(re.escape, _synonyms())) + r")\b(?![_=.-])")


def expand(pattern: str, random: Random) -> str:
    """One wording of a pattern: every [a|b|c] becomes one of its alternatives; they may be nested."""
    while match := _INNERMOST.search(pattern):
        pattern = pattern[: match.start()] + random.choice(match[1].split("|")) + pattern[match.end() :]
    return " ".join(pattern.split())


def lower_first(text: str) -> str:
    """Small first letter, unless the text starts with an abbreviation, a name of a setting or I."""
    return text if len(text) < 2 or text[1] in " '_" or not text[1].islower() else text[0].lower() + text[1:]


def _misspell(text: str, random: Random) -> str:
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = random.choice(words)
    at = random.randrange(word.start() + 1, word.end() - 1)
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return random.choice((swapped, swapped, text[:at] + text[at + 1 :], text[:at] + text[at] + text[at:]))


def _punctuate(text: str, random: Random) -> str:
    chance = random.random()
    if chance < 0.4:
        return text.rstrip("?.!")
    if chance < 0.46:
        return text.rstrip("?.!") + random.choice(("??", " ?", "...", ".", "!", "?", " pls?", "?!"))
    return text


def casual(text: str, random: Random, is_question: bool = True) -> str:
    """The text as somebody might type it: with openers, without punctuation, in lower case, misspelt."""
    chance = random.random()
    if is_question and chance < 0.1:
        text = random.choice(_casual("asking")) + lower_first(text)
    elif chance < 0.24:
        text = random.choice(_casual("prefix")) + (lower_first(text) if random.random() < 0.7 else text)
    if is_question and random.random() < 0.05:
        text = random.choice(_casual("lead")) + text
    if is_question and random.random() < 0.05:
        text += random.choice(_casual("trail"))
    elif random.random() < 0.08:
        text = text.rstrip("?.!") + random.choice(_casual("suffix")) + random.choice(("?", "", "."))
    text = _punctuate(text, random)
    if random.random() < 0.3:
        text = text.replace("'", "")
    if random.random() < 0.09:
        text = _misspell(text, random)
    chance = random.random()
    if chance < 0.38:
        return text.lower()
    if chance < 0.4:
        return text.upper()
    return text[:1].upper() + text[1:] if chance < 0.85 else text
