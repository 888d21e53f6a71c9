"""Additions, subtractions and products of small numbers, worked out step by step; others are refused."""

from __future__ import annotations

from random import Random

from inference.demo.training.exchange import Exchange, Thoughts
from inference.demo.training.refusals import refuse_sum
from inference.demo.training.subjects import common_words
from inference.demo.training.wording import casual, expand
from inference.demo.training.wordings import sections

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def number(value: int, random: Random, words_share: float = 0.1) -> str:
    """Digits, or now and then the English words."""
    if random.random() >= words_share:
        return str(value)
    if value < 20:
        return _ONES[value]
    if value % 10 == 0:
        return _TENS[value // 10]
    return _TENS[value // 10] + random.choice("-- ") + _ONES[value % 10]


def _operand(random: Random) -> int:
    return random.randint(0, 9) if random.random() < 0.25 else random.randint(10, 99)


def _asked(a: int, b: int, kind: str, random: Random) -> str:
    words_share = 0.8 if random.random() < 0.15 else 0.05
    first, second = number(a, random, words_share), number(b, random, words_share)
    corpus = sections("sums")
    if random.random() < 0.2:
        prompt = random.choice(corpus[f"{kind} question"]).format(first, second)
    else:
        prompt = random.choice(corpus["opening"]).replace("{}", random.choice(corpus[kind]).format(first, second))
    prompt = expand(prompt, random)
    while "THINGS" in prompt:
        prompt = prompt.replace("THINGS", random.choice(common_words()) + random.choice(("s", "s", "")), 1)
    prompt = casual(prompt, random, is_question=False)
    return prompt + "." if prompt[-1:].isalnum() and random.random() < 0.15 else prompt


def _thoughts(kind: str, term: str, steps: str, check: str) -> Thoughts:
    return Thoughts(
        low=f"{term}: {steps}",
        medium=f"The user wants {kind}. I split the numbers into tens and ones. {term}: {steps}",
        high=f"The user wants {kind}. I can do this step by step. I split the numbers into tens and ones, work out both "
        f"parts and put them together. {term}: {steps} {check} Now I am sure, so I write the answer.",
    )


def addition(random: Random) -> Exchange:
    a, b = _operand(random), _operand(random)
    tens, ones = a // 10 * 10 + b // 10 * 10, a % 10 + b % 10
    steps = f"{a // 10 * 10} + {b // 10 * 10} = {tens}. {a % 10} + {b % 10} = {ones}. {tens} + {ones} = {a + b}."
    thoughts = _thoughts(
        "a sum", f"{a} + {b}", steps, f"Check: the ones give {ones}, the tens give {tens}, together {a + b}."
    )
    return Exchange(_asked(a, b, "addition", random), thoughts, f"{a} + {b} = **{a + b}**")


def subtraction(random: Random) -> Exchange:
    b, a = sorted((_operand(random), _operand(random)))
    tens, ones = a // 10 * 10 - b // 10 * 10, a % 10 - b % 10
    last = f"{tens} + {ones}" if ones >= 0 else f"{tens} - {-ones}"
    steps = f"{a // 10 * 10} - {b // 10 * 10} = {tens}. {a % 10} - {b % 10} = {ones}. {last} = {a - b}."
    thoughts = _thoughts(
        "a difference", f"{a} - {b}", steps, f"Check: the ones give {ones}, the tens give {tens}, together {a - b}."
    )
    return Exchange(_asked(a, b, "subtraction", random), thoughts, f"{a} - {b} = **{a - b}**")


def product(random: Random) -> Exchange:
    a, b = random.randint(0, 10), random.randint(0, 10)
    thoughts = Thoughts(
        low=f"{a} × {b} = {a * b}.",
        medium=f"The user wants a product. I know the small times table. {a} × {b} = {a * b}.",
        high=f"The user wants a product. Both numbers are small, so I know it from the times table. {a} × {b} = {a * b}. "
        f"Check: {b} × {a} = {b * a} as well. Now I am sure, so I write the answer.",
    )
    return Exchange(_asked(a, b, "product", random), thoughts, f"{a} × {b} = **{a * b}**")


def too_hard(random: Random) -> Exchange:
    """Numbers that are too large, and other kinds of mathematics."""
    chance = random.random()
    if chance < 0.4:
        big, other = random.randint(100, 10 ** random.randint(3, 8)), random.randint(0, 10 ** random.randint(1, 5))
        a, b = (big, other) if random.random() < 0.6 else (other, big)
        prompt = _asked_digits(a, b, random)
    elif chance < 0.5:
        prompt = _asked_product(random)
    elif chance < 0.65:
        prompt = _asked_three(random)
    else:
        prompt = _filled(random)
    return refuse_sum(casual(prompt, random, is_question=False), random)


def _asked_digits(a: int, b: int, random: Random) -> str:
    corpus = sections("sums")
    kinds = (
        corpus["addition"]
        + corpus["subtraction"]
        + corpus["product"]
        + ("{} / {}", "{}/{}", "{} divided by {}", "{} % {}", "{}^{}")
    )
    return expand(random.choice(corpus["opening"]).replace("{}", random.choice(kinds).format(a, b)), random)


def _asked_product(random: Random) -> str:
    a, b = random.randint(11, 99), random.randint(3, 99)
    return expand(
        random.choice(sections("sums")["opening"]).replace(
            "{}", random.choice(sections("sums")["product"]).format(a, b)
        ),
        random,
    )


def _asked_three(random: Random) -> str:
    """Three numbers, or two with a decimal point."""
    a, b, c = (number(random.randint(0, 99), random) for _ in range(3))
    sign, other = random.choice((" + ", "+", " plus ", " - ", "-", " * ", " minus ", " + ", "+")), random.choice("+-*x")
    terms = (
        f"{a}{sign}{b}{sign}{c}",
        f"{a}{sign}{b} {other} {c}",
        f"{a}.{c}{sign}{b}",
        f"{a}{sign}{b}.{c}",
        f"{a}.{b}{sign}{b}.{c}",
    )
    return expand(random.choice(sections("sums")["opening"]).replace("{}", random.choice(terms)), random)


def _filled(random: Random) -> str:
    n, m, k = (random.randint(2, 99) for _ in range(3))
    return expand(
        random.choice(sections("sums")["hard"]).format(n=n, m=m, k=k, d=f"{n}.{random.randint(1, 99)}", e=f"{m}.{k}"),
        random,
    )
