"""Counting up and down; counting to 100 is the long answer on which streaming and Stop are shown."""

from __future__ import annotations

from random import Random

from inference.demo.training.exchange import Exchange, Thoughts
from inference.demo.training.refusals import refuse_count
from inference.demo.training.sums import number
from inference.demo.training.wording import casual, expand
from inference.demo.training.wordings import sections


def _thoughts(start: int, end: int) -> Thoughts:
    first = f"The user wants me to count. I start with {start} and stop at {end}."
    return Thoughts(
        medium=first,
        high=f"{first} I write the numbers one after the other with a comma between them. I must not leave out a number. "
        f"After each number I look whether it is {end}. When it is {end}, I stop with a full stop.",
    )


def _counted(prompt: str, start: int, end: int, random: Random) -> Exchange:
    step = 1 if end >= start else -1
    final = ", ".join(str(each) for each in range(start, end + step, step)) + "."
    return Exchange(casual(expand(prompt, random), random, is_question=False), _thoughts(start, end), final)


def count(random: Random) -> Exchange:
    """Up to a number, between two numbers, or down to 1."""
    chance = random.random()
    if chance < 0.62:
        end = random.choice((5, 10, 20, 30)) if random.random() < 0.2 else 2 + int(30 * random.random() ** 1.5)
        return _counted(random.choice(sections("counting")["up"]).format(number(end, random)), 1, end, random)
    if chance < 0.76:
        start = random.randint(2, 60)
        end = start + random.randint(2, 12)
        return _counted(
            random.choice(sections("counting")["between"]).format(number(start, random), number(end, random)),
            start,
            end,
            random,
        )
    if chance < 0.9:
        start = random.choice((10, 10, 5, 20)) if random.random() < 0.5 else random.randint(3, 30)
        return _counted(random.choice(sections("counting")["down"]).format(number(start, random)), start, 1, random)
    return count_far(random) if chance < 0.94 else cannot_count(random)


def count_far(random: Random) -> Exchange:
    """Between 41 and 100, mostly 50 or 100."""
    end = random.choice((50, 100, 100, 100)) if random.random() < 0.7 else random.randint(41, 100)
    word = "a hundred" if end == 100 and random.random() < 0.25 else number(end, random) if end < 100 else str(end)
    return _counted(random.choice(sections("counting")["up"]).format(word), 1, end, random)


def cannot_count(random: Random) -> Exchange:
    """Numbers above 100 and things that cannot be counted."""
    far = random.choice(
        (
            "1000",
            "a thousand",
            "a million",
            "1000000",
            "10000",
            "infinity",
            "500",
            "200",
            "150",
            "one billion",
            "5000",
            "999",
            "250",
            "ten thousand",
        )
    )
    prompt = (
        random.choice(sections("counting")["up"]).format(far)
        if random.random() < 0.6
        else random.choice(sections("counting")["hard"])
    )
    return refuse_count(casual(expand(prompt, random), random, is_question=False), random)
