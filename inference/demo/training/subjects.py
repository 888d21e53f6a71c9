"""Questions the demo model must refuse: many subjects in many frames, near-misses of its skills, foreign and garbled text."""

from __future__ import annotations

import re
from functools import cache
from random import Random

from inference.demo.training.capitals import CAPITALS
from inference.demo.training.demos import demo
from inference.demo.training.exchange import Exchange
from inference.demo.training.facts import FACTS
from inference.demo.training.questions import question
from inference.demo.training.refusals import refuse
from inference.demo.training.rendering import UNKNOWN_MARK, encoding
from inference.demo.training.wording import casual, expand
from inference.demo.training.wordings import sections

_FILLS = ("text", "language", "code", "place", "person")


@cache
def common_words() -> tuple[str, ...]:
    """Some thousands of frequent English-looking words: the early tokens of o200k that are a space and small letters."""
    texts = (encoding().decode([token]) for token in range(300, 26_000))
    return tuple(
        text.strip()
        for text in texts
        if text[:1] == " " and len(text) > 3 and text[1:].isascii() and text[1:].islower() and text[1:].isalpha()
    )


@cache
def _other_words() -> tuple[str, ...]:
    """The common words that say nothing about a skill."""
    corpus = {**sections("product"), **sections("settings")}
    known = [line for name, lines in corpus.items() if name.endswith((" nouns", " variables")) for line in lines]
    known += [line for name, lines in sections("demos").items() if "frames" not in name for line in lines]
    known += [*CAPITALS, _MORE_KNOWN]
    skilled = set(re.findall(r"[a-z]+", " ".join(known).lower()))
    return tuple(word for word in common_words() if word not in skilled and word.removesuffix("s") not in skilled)


_MORE_KNOWN = (
    " hello hi hey morning evening thanks thank welcome bye goodbye joke help skills capital capitals count number numbers sum plus minus times add"
    " zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty continue more less why stop cancel abort esc start run"
    " install tests test option options effort low medium high think reasoning think thoughts memory remember busy wait queue users user password passwords"
    " admin login account accounts sign register secret debug hosts token tokens private privacy offline telemetry internet gpu vram graphics hardware cuda"
    " terminal shell command licence license free price cost rename delete remove title sidebar history context answer answers reply replies length limit model"
    " models engine engines server servers settings setting config configuration environment variables database postgres redis https tls ssl proxy format"
    " channel channels analysis final saved save markdown bold quote formula equation table list code everything long english again really maybe fine good great nice cool"
)


def _noun(random: Random) -> str:
    chance = random.random()
    if chance < 0.5:
        return random.choice(sections("refusals")["noun"])
    if chance < 0.62:
        return random.choice(("¤", "¤¤", "¤ ¤", "¤¤¤", "¤ and ¤", "the ¤"))
    return " ".join(random.choice(_other_words()) for _ in range(random.choice((1, 1, 2))))


@cache
def _function_words() -> frozenset[str]:
    return frozenset(word for line in sections("refusals")["function words"] for word in line.split())


def _estranged(random: Random) -> str:
    """A question about LocalAI or for a demo in which every word that carries meaning is another one."""
    is_question = random.random() < 0.75
    prompt = question(random.choice(list(FACTS)), random) if is_question else demo(random).prompt
    words = [
        word
        if re.sub(r"[^a-z']", "", word.lower()) in _function_words()
        else _noun(random) + word[-1:].strip("abcdefghijklmnopqrstuvwxyz")
        for word in re.sub(r"[A-Za-z]*_[A-Za-z_]*|`", "it", prompt).split(" ")
    ]
    return " ".join(words) if " ".join(words) != prompt else _noun(random)


def with_stray_word(prompt: str, random: Random) -> str:
    """One more word somewhere, so that an unusual word alone does not decide."""
    words = prompt.split(" ")
    stray = random.choice(_other_words()) if random.random() < 0.7 else UNKNOWN_MARK
    words.insert(random.randint(0, len(words)), stray)
    return " ".join(words)


def wrapped(prompt: str, random: Random) -> str:
    """The prompt with a remark before or after it that has nothing to do with it."""
    kind = random.choice(("before", "before", "after"))
    remark = expand(random.choice(sections("casual")[kind]), random)
    while "{noun}" in remark:
        remark = remark.replace("{noun}", _noun(random), 1)
    if kind == "before":
        return f"{remark} {prompt}"
    is_clause = remark[:1] in "abcdefghijklmnopqrstuvwxyz,"
    return prompt.rstrip("?.! ") + ("" if remark[:1] == "," else " ") + remark if is_clause else f"{prompt} {remark}"


def babble(random: Random) -> str:
    """A text of common words in no sensible order, as a stand-in for pasted text."""
    words = [random.choice(common_words()) for _ in range(random.choice((4, 6, 9, 14, 25, 60, 120)))]
    for at in range(0, len(words), random.randint(5, 12)):
        words[at] = (
            words[at].capitalize() if at == 0 else words[at - 1] + random.choice((".", ",", ". The", ", and the", "\n"))
        )
    return " ".join(words) + random.choice(("", ".", "?"))


def _gibberish(random: Random) -> str:
    """Some words of random letters, or of one row of the keyboard."""
    rows = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")
    made = []
    for _ in range(random.choice((1, 2, 3, 3, 4, 6))):
        row = random.choice(rows)
        made.append("".join(random.choice(row) for _ in range(random.randint(3, 8))))
    return " ".join(made)


def _subject(random: Random) -> str:
    corpus = sections("refusals")
    chance = random.random()
    if chance < 0.2:
        return _estranged(random)
    if chance < 0.5:
        fills = {name: random.choice(corpus[name]) for name in _FILLS}
        return expand(random.choice(corpus["frames"]).format(noun=_noun(random), other=_noun(random), **fills), random)
    if chance < 0.87:
        return expand(random.choice(corpus["close"]), random)
    return random.choice(corpus["foreign"]) if chance < 0.96 else babble(random)


def unknown(random: Random) -> Exchange:
    """Something the demo model has not learned."""
    chance = random.random()
    if chance < 0.08:
        garbled = random.choice(sections("refusals")["garbled"]) if chance < 0.04 else _gibberish(random)
        return refuse(garbled, random)
    return refuse(casual(_subject(random), random), random)
