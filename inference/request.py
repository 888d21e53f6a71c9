"""What is asked of the model, and what is known of its answer. Knows nothing of how it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from django.conf import settings

from inference import demo
from inference.engine import Sampling
from inference.harmony import RenderedPrompt, Turn
from inference.messages import Effort, Step, Tool
from inference.parser import Parser
from inference.weights import DEMO

SHORTEST_RATED_SECONDS = 0.05


def is_demo() -> bool:
    return bool(settings.MODEL_NAME == DEMO)


def recommended_temperature() -> float:
    """The model's own."""
    return demo.TEMPERATURE if is_demo() else 1.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds while an answer is written."""

    tools: tuple[Tool, ...] = ()
    stop: tuple[str, ...] = ()
    json_schema: str | None = None

    @property
    def tool_names(self) -> frozenset[str]:
        return frozenset(tool.name for tool in self.tools)

    @property
    def schemas(self) -> list[str]:
        """All that a text may have to obey."""
        strict = [tool.schema for tool in self.tools if tool.is_strict]
        return strict if self.json_schema is None else [self.json_schema, *strict]

    def schema_of(self, parser: Parser) -> str | None:
        """The schema that the text which opens now must obey."""
        if parser.is_answer_open:
            return self.json_schema
        called = parser.open_call
        return next((tool.schema for tool in self.tools if tool.is_strict and tool.name == called), None)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the model. `history` is oldest first; `max_tokens` counts output tokens.

    `steps`: what came in the newest turn after its prompt. `stop`: texts that end the answer.
    `json_schema`: the text of a JSON schema that the answer must obey; `response_format`: how the model is told of it.
    """

    prompt: str
    today: date
    history: Sequence[Turn] = ()
    steps: tuple[Step, ...] = ()
    effort: Effort = Effort.LOW
    instructions: str = ""
    tools: tuple[Tool, ...] = ()
    stop: tuple[str, ...] = ()
    json_schema: str | None = None
    response_format: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None

    def rules(self) -> Rules:
        return Rules(self.tools, self.stop, self.json_schema)

    def sampling(self) -> Sampling:
        """With the model's own recommendation where nothing is asked for."""
        return Sampling(
            max_tokens=settings.DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens,
            temperature=recommended_temperature() if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.seed,
        )


class Outcome(StrEnum):
    """How a generation ended; exactly one."""

    COMPLETE = "complete"
    LENGTH = "length"
    STOPPED = "stopped"
    FAILED = "failed"


CUT_OFF = "interrupted"
"""How a generation ends whose client went away, or whose server did; it has no outcome then."""


def tokens_per_second(tokens: int, first_token_seconds: float | None, total_seconds: float | None) -> float | None:
    """The rate after the first token; None where too little time passed to tell."""
    if first_token_seconds is None or total_seconds is None or tokens < 2:
        return None
    seconds = total_seconds - first_token_seconds
    return (tokens - 1) / seconds if seconds > SHORTEST_RATED_SECONDS else None


@dataclass(slots=True)
class Facts:
    """What is known of a running or ended generation; seconds count from the request to the engine."""

    thinking_tokens: int = 0
    answer_tokens: int = 0
    first_token_seconds: float | None = None
    thinking_seconds: float | None = None
    total_seconds: float = 0.0
    is_malformed: bool = False
    outcome: Outcome | None = None
    error: str = ""

    @property
    def tokens_per_second(self) -> float | None:
        tokens = self.thinking_tokens + self.answer_tokens
        return tokens_per_second(tokens, self.first_token_seconds, self.total_seconds)


@dataclass(frozen=True, slots=True)
class Continuation:
    """An answer to go on with, from its exact tokens: in its thinking, or (`answers_now`) with its answer.

    `facts` are those of what was written so far. `max_tokens` counts what is still to be written.
    """

    prompt: RenderedPrompt
    token_ids: Sequence[int]
    facts: Facts
    answers_now: bool = False
    max_tokens: int | None = None

    def sampling(self) -> Sampling:
        return Sampling(self.max_tokens or settings.DEFAULT_MAX_TOKENS, recommended_temperature())
