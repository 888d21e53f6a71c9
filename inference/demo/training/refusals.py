"""Honest answers to what the demo model has not learned. The subjects are in `subjects.py`."""

from __future__ import annotations

from random import Random

from inference.demo.training.exchange import Exchange, Thoughts

_REFUSALS = (
    (
        "I am only a tiny demo model and have not learned that, so I cannot answer it. I can greet you, answer questions about "
        "LocalAI, add one- and two-digit numbers, name capital cities, count, and show Markdown."
    ),
    (
        "Sorry, I cannot do that: I am only a tiny demo model. I can answer questions about LocalAI, add one- and two-digit "
        "numbers, name capital cities, count, and show Markdown. A real model can do more."
    ),
    (
        "I do not know that, because I am only a tiny demo model. I can answer questions about LocalAI, add one- and two-digit "
        "numbers, name capital cities, count, and show Markdown. For real answers set `MODEL_NAME` to a real model."
    ),
)
_NO_CAPITAL = (
    (
        "I do not know that capital. I am only a tiny demo model and know the capitals of about a hundred countries, for example "
        "France, Japan or Peru."
    ),
    "Sorry, I do not know a capital for that. I am only a tiny demo model and know the capitals of about a hundred countries.",
)
_NO_SUM = (
    (
        "I cannot work this out, because I am only a tiny demo model. I can add and subtract numbers up to 99 and multiply numbers "
        "up to 10, two at a time, for example 47 + 38."
    ),
    (
        "Sorry, that is too hard for a tiny demo model like me, so I cannot answer it. I can add and subtract two numbers up to 99 "
        "and multiply numbers up to 10."
    ),
)
_NO_COUNT = (
    (
        'I cannot count that, because I am only a tiny demo model. I can count up to 100, for example "count to 20", and down '
        "from 30."
    ),
)


def _refusal(prompt: str, subject: str, finals: tuple[str, ...], random: Random) -> Exchange:
    first = f"The user asks for {subject}. I have not learned this, so I will say so."
    thoughts = Thoughts(
        medium=first,
        high=f"{first} I could guess, but a guess would probably be wrong. It is better to be honest than to invent something. "
        "I will say that I am only a tiny demo model. Then I name the things I can do.",
    )
    return Exchange(prompt, thoughts, random.choice(finals))


def refuse(prompt: str, random: Random) -> Exchange:
    return _refusal(prompt, "something else", _REFUSALS, random)


def refuse_capital(prompt: str, random: Random) -> Exchange:
    return _refusal(prompt, "a capital that I do not know", _NO_CAPITAL, random)


def refuse_sum(prompt: str, random: Random) -> Exchange:
    return _refusal(prompt, "a calculation that is too hard", _NO_SUM, random)


def refuse_count(prompt: str, random: Random) -> Exchange:
    return _refusal(prompt, "a kind of counting that is too hard", _NO_COUNT, random)
