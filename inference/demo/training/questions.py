"""How people ask for the facts of `facts.py`: whole questions, or a noun or the name of a setting in a frame."""

from __future__ import annotations

from random import Random

from inference.demo.training.wording import expand
from inference.demo.training.wordings import sections


def question(name: str, random: Random) -> str:
    """One wording that asks for the fact `name`."""
    corpus = {**sections("product"), **sections("settings")}
    variables, nouns = corpus.get(f"{name} variables", ()), corpus.get(f"{name} nouns", ())
    frames = sections("frames")
    chance = random.random()
    if variables and chance < 0.22:
        variable = _spelled(random.choice(variables), random)
        return expand(random.choice(frames["setting"] + frames["noun"]).replace("{}", variable), random)
    if nouns and chance < 0.36:
        return expand(random.choice(frames["noun"]).replace("{}", random.choice(nouns)), random)
    return expand(random.choice(corpus[name]), random)


def _spelled(variable: str, random: Random) -> str:
    chance = random.random()
    if chance < 0.6:
        return variable
    if chance < 0.8:
        return variable.lower()
    return variable.replace("_", " ") if chance < 0.9 else variable.replace("_", " ").lower()
