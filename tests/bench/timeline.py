"""When tokens came, and which of them carry text: Harmony's headers and ends are tokens that nobody sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from inference.parser import Parser


@dataclass(frozen=True, slots=True)
class Positions:
    """Where the text of a reply is among its tokens; `characters[i]` are readable after token i."""

    characters: list[int]

    @classmethod
    def of(cls, token_ids: Sequence[int]) -> Positions:
        parser = Parser()
        steps = (sum(len(delta.text) for delta in parser.feed([token_id])) for token_id in token_ids)
        return cls(list(accumulate(steps)))

    @property
    def first(self) -> int:
        return self.showing(1)

    @property
    def last(self) -> int:
        return self.showing(self.characters[-1])

    def showing(self, characters: int) -> int:
        """The token with which so many characters were readable."""
        reachable = min(characters, self.characters[-1])
        return next(index for index, count in enumerate(self.characters) if count >= reachable)


@dataclass(slots=True)
class Timeline:
    """The tokens of one answer in the order they came, each with its time in seconds."""

    token_ids: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def add(self, time: float, token_ids: Sequence[int]) -> None:
        self.token_ids += token_ids
        self.times += [time] * len(token_ids)

    @property
    def first_text_time(self) -> float:
        return self.times[Positions.of(self.token_ids).first]

    @property
    def last_text_time(self) -> float:
        return self.times[Positions.of(self.token_ids).last]

    @property
    def tokens_per_second(self) -> float:
        """From the first token with text to the last one."""
        positions = Positions.of(self.token_ids)
        return (positions.last - positions.first) / (self.last_text_time - self.first_text_time)
