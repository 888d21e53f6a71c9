"""The one way to an answer: gate, render, engine, parse. Chat, API and commands all pass here.

Knows nothing of conversations, sockets or HTTP.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from django.conf import settings

from inference import demo
from inference.engine import Engine, FinishReason, Sampling
from inference.errors import InferenceError
from inference.gate import get_gate
from inference.harmony import Effort, RenderedPrompt, Turn, render
from inference.parser import Channel, Delta, Parser
from inference.supervisor import get_supervisor
from inference.weights import DEMO

SHORTEST_RATED_SECONDS = 0.05
NOTHING_WRITTEN = "The model ended without writing anything. Try again, perhaps with another effort."


class Outcome(StrEnum):
    """How a generation ended; exactly one."""

    COMPLETE = "complete"
    LENGTH = "length"
    STOPPED = "stopped"
    FAILED = "failed"


def is_demo() -> bool:
    return bool(settings.MODEL_NAME == DEMO)


def model_name() -> str:
    """The model that answers: what the engine says it runs, as soon as it has said so."""
    facts = get_supervisor().facts
    return settings.MODEL_NAME if facts is None or is_demo() else facts.model


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the model. `history` is oldest first; `max_tokens` counts output tokens."""

    prompt: str
    today: date
    history: Sequence[Turn] = ()
    effort: Effort = Effort.LOW
    instructions: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None

    def sampling(self) -> Sampling:
        """With the model's own recommendation where nothing is asked for."""
        recommended = demo.TEMPERATURE if is_demo() else 1.0
        return Sampling(
            max_tokens=settings.DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens,
            temperature=recommended if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.seed,
        )


def _context_tokens() -> int:
    """What the settings allow, or what the engine takes if that is less; one token is left to answer."""
    facts = get_supervisor().facts
    window = facts.max_model_len if facts else None
    return min(settings.MAX_CONTEXT_TOKENS, window - 1) if window else int(settings.MAX_CONTEXT_TOKENS)


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


@dataclass
class Generation:
    """An admitted request: its prompt as rendered, then its deltas, then its facts."""

    engine: Engine
    prompt: RenderedPrompt
    sampling: Sampling
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    facts: Facts = field(default_factory=Facts)
    token_ids: list[int] = field(default_factory=list)
    _is_stopped: bool = False

    async def deltas(self) -> AsyncGenerator[list[Delta], None]:
        """Stream what is written; ends with `facts.outcome` set, also when the engine fails."""
        parser = Parser()
        started = time.perf_counter()
        finish_reason: FinishReason | None = None
        try:
            async with aclosing(self.engine.generate(self.prompt.token_ids, self.sampling, self.id)) as stream:
                async for tokens in stream:
                    self.token_ids.extend(tokens.token_ids)
                    finish_reason = tokens.finish_reason
                    deltas = parser.feed(tokens.token_ids)
                    self._note(parser, deltas, time.perf_counter() - started)
                    if deltas:
                        yield deltas
                    if self._is_stopped:
                        break
        except InferenceError as error:
            self.facts.error = str(error)
        rest = parser.finish()
        self._note(parser, rest, time.perf_counter() - started)
        self.facts.outcome = self._outcome(finish_reason, parser)
        if rest:
            yield rest

    async def stop(self) -> None:
        """End it where it is; what was written stays."""
        self._is_stopped = True
        await self.engine.abort(self.id)

    def _note(self, parser: Parser, deltas: list[Delta], seconds: float) -> None:
        facts = self.facts
        facts.thinking_tokens, facts.answer_tokens = parser.thinking_tokens, parser.answer_tokens
        facts.is_malformed = parser.is_malformed
        facts.total_seconds = seconds
        if facts.first_token_seconds is None and self.token_ids:
            facts.first_token_seconds = seconds
        if facts.thinking_seconds is None and any(delta.channel is Channel.FINAL for delta in deltas):
            facts.thinking_seconds = seconds

    def _outcome(self, finish_reason: FinishReason | None, parser: Parser) -> Outcome:
        if self._is_stopped or finish_reason == "abort":
            return Outcome.STOPPED
        if self.facts.error:
            return Outcome.FAILED
        if finish_reason == "length":
            return Outcome.LENGTH
        if not parser.has_answer and not parser.has_thinking:
            self.facts.error = NOTHING_WRITTEN
            return Outcome.FAILED
        return Outcome.COMPLETE


@asynccontextmanager
async def admit(request: Request) -> AsyncIterator[Generation]:
    """Hold the gate and render the prompt; the block runs `deltas`.

    Raises EngineNotReadyError or EngineFailedError, BusyError, PromptError; then nothing has begun.
    """
    engine = get_supervisor().engine
    with get_gate().hold():
        prompt = render(
            request.prompt,
            history=request.history,
            effort=request.effort,
            instructions=request.instructions,
            today=request.today,
            max_tokens=_context_tokens(),
        )
        yield Generation(engine, prompt, request.sampling())
