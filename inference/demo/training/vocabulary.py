"""Which of the 201,088 tokens have rows of their own, and which share the row of a word written in another way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from inference.demo.training import rendering
from inference.demo.training.dialogues import packs
from inference.demo.training.subjects import common_words

SIZE = 201_088
UNKNOWN_ROW = 0


@dataclass(frozen=True)
class Vocabulary:
    """Row 0 of the inputs is for unknown tokens. `stems[i]` groups the inputs "Word", " word" and "WORD"; stem 0 is unknown."""

    inputs: list[int]
    outputs: list[int]
    stems: list[str]

    @property
    def unused(self) -> int:
        return SIZE - len(self.outputs)


def stem(token: int) -> str:
    """The word in small letters without the space before it; empty if it has no letters."""
    text = rendering.encoding().decode([token]).strip().lower()
    return text if len(text) > 1 and text.isalpha() else ""


def build(seed: int, number: int) -> Vocabulary:
    """From a sample of `number` packs: what occurs twice as input or once as output."""
    seen: Counter[int] = Counter()
    outputs: set[int] = set()
    for pack in packs(Random(seed), number):
        seen.update(pack.prefix)
        for branch in pack.branches:
            seen.update(branch.ids)
            outputs.update(branch.ids[branch.start :])
    words = rendering.encode_all([" ".join(common_words()), *(" " + word for word in common_words())])
    for ids in words[1:]:
        seen.update(ids * 2)
    outputs.update(rendering.encode_all([" ".join(str(each) + ", " for each in range(200))])[0])
    inputs = {token for token, count in seen.items() if count > 1} | outputs
    inputs.discard(rendering.UNKNOWN_TOKEN)
    return Vocabulary(sorted(inputs), sorted(outputs), sorted({stem(each) for each in inputs} - {""}))


def indices(values: Iterable[int], default: int, first: int) -> list[int]:
    """A table token → row for all tokens; rows are numbered from `first`."""
    table = [default] * SIZE
    for row, token in enumerate(values, first):
        table[token] = row
    return table
