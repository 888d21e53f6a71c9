"""Mixes the skills and makes packs: one beginning of a conversation with many alternative next turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from inference.demo.training import capitals, counting, demos, rendering, smalltalk, subjects, sums
from inference.demo.training.exchange import EFFORTS, Effort, Exchange, Thoughts
from inference.demo.training.facts import FACTS
from inference.demo.training.questions import question
from inference.demo.training.wording import casual, paraphrased
from inference.demo.training.wordings import sections

PACK_TOKENS = 1000


@dataclass(frozen=True)
class Branch:
    """A next turn: the ids of the user's message and the completion; the loss counts from `start` on, `weight` times."""

    ids: list[int]
    start: int
    weight: float = 1.0


@dataclass(frozen=True)
class Pack:
    """Branches that share the prefix (system message, instructions, history)."""

    prefix: list[int]
    branches: list[Branch]


def product(random: Random) -> Exchange:
    """A question about LocalAI."""
    name = random.choice(list(FACTS))
    fact = FACTS[name]
    first = f"The user asks about {fact.topic}. I know the answer."
    high = (
        f"{first} It is a question about LocalAI, and I have learned the facts about it. The important words are: "
        f"{', '.join(fact.keys)}. The answer should be short and exact. I am sure about it, so I write it now."
    )
    prompt = question(name, random)
    if random.random() < _PARAPHRASED_SHARE:
        prompt = paraphrased(prompt, random)
    return Exchange(casual(prompt, random), Thoughts(first, high), fact.answer)


_Skill = Callable[[Random], Exchange]
_SKILLS: dict[_Skill, float] = {
    product: 64,
    smalltalk.smalltalk: 17,
    sums.addition: 9,
    sums.subtraction: 5,
    sums.product: 3.5,
    sums.too_hard: 7.5,
    capitals.capital: 17,
    capitals.unknown_capital: 12,
    counting.count: 7,
    demos.demo: 9,
    subjects.unknown: 36,
}
_STRAYING = (product, demos.demo, capitals.capital)
_FORGETFUL = (product, smalltalk.smalltalk, demos.demo, subjects.unknown)
# Their completions are worked out to the end; of the others, which are learned by heart, most are cut to save time.
_WORKED_OUT = (sums.addition, sums.subtraction, sums.product, counting.count)
_PARAPHRASED_SHARE, _WRAPPED_SHARE = 0.35, 0.22
_COUNT_WEIGHT = 6.0  # where to stop is a single token of many
_CUT_SHARE, _CUT_TOKENS = 0.8, (6, 20)


def exchange(random: Random) -> Exchange:
    return _drawn(random)[0]


def _drawn(random: Random) -> tuple[Exchange, _Skill]:
    """An exchange and the skill it shows."""
    skill = random.choices(list(_SKILLS), weights=list(_SKILLS.values()))[0]
    made = skill(random)
    if random.random() < _WRAPPED_SHARE and len(made.prompt) > 3:
        made = Exchange(subjects.wrapped(made.prompt, random), made.thoughts, made.final)
    if skill in _STRAYING and random.random() < 0.15:
        made = Exchange(subjects.with_stray_word(made.prompt, random), made.thoughts, made.final)
    elif skill in _FORGETFUL and random.random() < 0.15:
        words = [rendering.UNKNOWN_MARK if random.random() < 0.1 else word for word in made.prompt.split(" ")]
        made = Exchange(" ".join(words), made.thoughts, made.final)
    return made, skill


def _history_turns(random: Random) -> int:
    chance = random.random()
    if chance < 0.55:
        return 0
    if chance < 0.8:
        return random.randint(1, 2)
    return random.randint(3, 6) if chance < 0.95 else random.randint(7, 24)


def _beginning(effort: Effort, random: Random) -> str:
    """System message, now and then instructions, and a history in which some answers were stopped."""
    date = f"{random.randint(2025, 2032)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
    text = rendering.system(effort, date)
    if random.random() < 0.15:
        text += rendering.developer(
            subjects.babble(random)
            if random.random() < 0.3
            else random.choice(sections("instructions")["instructions"])
        )
    for _ in range(_history_turns(random)):
        past = exchange(random)
        final = past.final[: random.randint(1, len(past.final))] if random.random() < 0.1 else past.final
        text += rendering.past_turn(past.prompt, final)
    return text


@dataclass(frozen=True)
class _Turn:
    """The text before the loss starts, the text that is learned, and how many of its tokens are kept (0: all)."""

    before: str
    after: str
    kept: int
    weight: float


def _next_turn(effort: Effort, random: Random) -> _Turn:
    made, skill = _drawn(random)
    weight = _COUNT_WEIGHT if skill is counting.count else 1.0
    before = rendering.user(made.prompt) + rendering.ASSISTANT
    kept = random.randint(*_CUT_TOKENS) if skill not in _WORKED_OUT and random.random() < _CUT_SHARE else 0
    thoughts = made.thoughts.at(effort)
    if random.random() < 0.06:
        # "Answer now": the final message is forced at any point of the analysis.
        cut = thoughts[: random.randint(0, len(thoughts))]
        if cut:
            before += f"<|channel|>analysis<|message|>{cut}<|end|>{rendering.ASSISTANT}"
        return _Turn(before + rendering.FINAL_HEADER, made.final + rendering.RETURN, kept, weight)
    return _Turn(before, rendering.completion(made, effort), kept, weight)


def _branches(effort: Effort, number: int, random: Random) -> list[Branch]:
    """Sorted by their length."""
    turns = [_next_turn(effort, random) for _ in range(number)]
    encoded = rendering.encode_all([text for turn in turns for text in (turn.before, turn.after)])
    made = []
    for turn, before, after in zip(turns, encoded[::2], encoded[1::2], strict=True):
        after = after[: turn.kept] if turn.kept else after
        if len(before) + len(after) < 700:
            made.append(Branch(before + after, len(before), turn.weight))
    return sorted(made, key=lambda each: len(each.ids))


def packs(random: Random, number: int) -> Iterator[Pack]:
    """About `number` packs of some `PACK_TOKENS` tokens; a pack's branches have nearly the same length."""
    for effort, share in zip(EFFORTS, (0.4, 0.36, 0.24), strict=True):
        groups: list[list[Branch]] = [[]]
        for branch in _branches(effort, round(number * share * 20), random):
            if len(branch.ids) * (len(groups[-1]) + 1) > PACK_TOKENS:
                groups.append([])
            groups[-1].append(branch)
        prefixes = rendering.encode_all([_beginning(effort, random) for _ in groups])
        for prefix, group in zip(prefixes, groups, strict=True):
            if group:
                yield Pack(prefix if len(prefix) <= 2400 else rendering.encode_all([_short(effort)])[0], group)


def _short(effort: Effort) -> str:
    return rendering.system(effort, "2026-01-01")
