"""The one way to an answer: gate, render, engine, parse. Chat, API and commands all pass here.

Knows nothing of conversations, sockets or HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import ClassVar

from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.engine import STOP_TOKEN_IDS, Engine, FinishReason, Sampling, Tokens
from inference.errors import (
    EngineDiedError,
    EngineError,
    EngineHungError,
    EngineNotReadyError,
    InferenceError,
    PromptError,
    grouped,
)
from inference.gate import get_gate
from inference.harmony import RenderedPrompt, render
from inference.parser import Channel, Delta, Parser, final_channel_ids
from inference.request import Continuation, Facts, Outcome, Request, is_demo
from inference.supervisor import get_supervisor, needed_model_len
from inference.vocabulary import END

logger = logging.getLogger(__name__)

MAX_DEATHS = 2
"""So many times an answer outlives its engine."""
RECOVERY_SECONDS = 0.5
SHORTEST_CONTINUATION_TOKENS = 16
NOTHING_WRITTEN = _("The model ended without writing anything; another effort may help.")


def model_name() -> str:
    """The model that answers: what the engine says it runs, as soon as it has said so."""
    facts = get_supervisor().facts
    return settings.MODEL_NAME if facts is None or is_demo() else facts.model


def context_tokens() -> int:
    """What the settings allow, or what the engine takes if that is less; one token is left to answer."""
    facts = get_supervisor().facts
    window = facts.max_model_len if facts else None
    return min(settings.MAX_CONTEXT_TOKENS, window - 1) if window else int(settings.MAX_CONTEXT_TOKENS)


def longest_answer_tokens() -> int:
    """What fits into the engine's window after the longest prompt; the default fits anyhow, perhaps cut off."""
    facts = get_supervisor().facts
    window = facts.max_model_len if facts else None
    window = window or needed_model_len(settings.MAX_CONTEXT_TOKENS, settings.DEFAULT_MAX_TOKENS)
    return max(window - context_tokens(), settings.DEFAULT_MAX_TOKENS)


class Generation:
    """An admitted request: its prompt as rendered, then its deltas, then its facts.

    It runs in legs, each a request to the engine that goes on from the tokens so far: a new leg
    begins when the engine died and is well again, and when an answer is demanded of a thinking model.
    """

    _heard_at: ClassVar[float] = -math.inf
    """When the engine last gave a token to any generation: one that hangs gives none to any."""

    def __init__(self, engine: Engine, prompt: RenderedPrompt, sampling: Sampling) -> None:
        self.prompt = prompt
        self.sampling = sampling
        self.facts = Facts()
        self.token_ids: list[int] = []
        self.begun: list[Delta] = []
        """What the tokens say that were there before the first leg."""
        self._engine = engine
        self._parser = Parser()
        self._limit = sampling.max_tokens
        self._id = ""
        self._finish_reason: FinishReason | None = None
        self._deaths = 0
        self._waiting: asyncio.Task[Engine] | None = None
        self._is_stopped = False
        self._wants_answer = False

    @classmethod
    def continuing(cls, engine: Engine, begun: Continuation) -> Generation:
        generation = cls(engine, begun.prompt, begun.sampling())
        generation.facts = begun.facts
        generation.token_ids = list(begun.token_ids)
        generation.begun = generation._parser.feed(begun.token_ids)
        generation._limit += len(begun.token_ids)
        generation._wants_answer = begun.answers_now
        return generation

    @property
    def max_tokens(self) -> int:
        """The length at which it is cut off, in output tokens from the answer's beginning."""
        return self._limit

    async def deltas(self) -> AsyncGenerator[list[Delta], None]:
        """Stream what is written; ends with `facts.outcome` set, also when the engine fails."""
        try:
            async with aclosing(self._legs()) as legs:
                async for deltas in legs:
                    yield deltas
        except InferenceError as error:
            self.facts.error = str(error)
        rest = self._parser.finish()
        self._note(rest)
        self.facts.outcome = self._outcome()
        if rest:
            yield rest

    async def stop(self) -> None:
        """End it where it is; what was written stays."""
        self._is_stopped = True
        if self._waiting:
            self._waiting.cancel()
        await self._engine.abort(self._id)

    async def answer_now(self) -> None:
        """End the thinking where it is and have the answer written. Harmless when it is being written."""
        if not self._parser.has_answer:
            self._wants_answer = True
            await self._engine.abort(self._id)

    async def _legs(self) -> AsyncGenerator[list[Delta], None]:
        while not self._is_stopped:
            if self._wants_answer:
                yield self._demand_answer()
            self._finish_reason = "stop" if self._parser.is_ended else "length"
            if self._parser.is_ended or len(self.token_ids) >= self._limit:
                return
            try:
                async with aclosing(self._leg()) as leg:
                    async for deltas in leg:
                        yield deltas
            except (EngineDiedError, EngineNotReadyError) as error:
                self._finish_reason = None
                await self._outlive(error)
            else:
                if not self._is_wanting():
                    return

    async def _leg(self) -> AsyncGenerator[list[Delta], None]:
        """One request to the engine. Raises EngineHungError when it is silent for too long."""
        self._id = str(uuid.uuid4())
        seconds_before, started = self.facts.total_seconds, time.perf_counter()
        sampling = replace(self.sampling, max_tokens=self._limit - len(self.token_ids))
        limit_seconds = settings.FIRST_TOKEN_TIMEOUT
        stream = self._engine.generate([*self.prompt.token_ids, *self.token_ids], sampling, self._id)
        async with aclosing(stream):
            while not self._is_stopped:
                try:
                    async with asyncio.timeout(limit_seconds):
                        tokens = await anext(stream, None)
                except TimeoutError as error:  # the engine hangs, which nothing else would tell
                    if time.monotonic() - Generation._heard_at > limit_seconds:
                        get_supervisor().restart(
                            format_lazy(_("The engine wrote nothing for {seconds} seconds."), seconds=limit_seconds)
                        )
                    raise EngineHungError(limit_seconds) from error
                if tokens is None:
                    return
                Generation._heard_at = time.monotonic()
                limit_seconds = settings.NEXT_TOKEN_TIMEOUT
                self.facts.total_seconds = seconds_before + time.perf_counter() - started
                if deltas := self._read(tokens):
                    yield deltas

    async def _outlive(self, error: EngineError) -> None:
        """Wait until the engine is well again; raises `error`, or the engine's, when that is not to be."""
        has_begun = self._deaths or self.token_ids or isinstance(error, EngineDiedError)
        self._deaths += 1
        if self._is_stopped or not has_begun or self._deaths > MAX_DEATHS:
            raise error
        logger.warning("%s The answer goes on when it is well again.", error)
        self._waiting = asyncio.create_task(self._recovered())
        try:
            limit_seconds = settings.FIRST_TOKEN_TIMEOUT if settings.ENGINE == "vllm-server" else None
            await asyncio.wait({self._waiting}, timeout=limit_seconds)
            if not self._waiting.done():
                raise error
            if not self._waiting.cancelled():
                self._waiting.result()
        finally:
            self._waiting.cancel()
            self._waiting = None

    async def _recovered(self) -> Engine:
        await asyncio.sleep(RECOVERY_SECONDS)  # or an engine that nobody has looked at since would seem well
        return await get_supervisor().usable()

    def _is_wanting(self) -> bool:
        """Whether an answer is demanded, and the leg ended for that, or without one."""
        return self._wants_answer and (self._finish_reason == "abort" or not self._parser.has_answer)

    def _demand_answer(self) -> list[Delta]:
        """Close the thinking and open the answer, as if the model had."""
        self._wants_answer = False
        if self.token_ids and self.token_ids[-1] in STOP_TOKEN_IDS:  # the model thought that this was all
            self.token_ids[-1] = END
            if self.token_ids[-2:] == [END, END]:
                self.token_ids.pop()
        self._parser = Parser(self.token_ids)
        ids = final_channel_ids(self.token_ids)
        self.token_ids.extend(ids)
        self._limit = len(self.token_ids) + self.sampling.max_tokens
        return self._parser.feed(ids)

    def _read(self, tokens: Tokens) -> list[Delta]:
        self._finish_reason = tokens.finish_reason
        self.token_ids.extend(tokens.token_ids)
        deltas = self._parser.feed(tokens.token_ids)
        self._note(deltas)
        return deltas

    def _note(self, deltas: list[Delta]) -> None:
        facts, parser = self.facts, self._parser
        facts.thinking_tokens, facts.answer_tokens = parser.thinking_tokens, parser.answer_tokens
        facts.is_malformed = parser.is_malformed
        if facts.first_token_seconds is None and self.token_ids:
            facts.first_token_seconds = facts.total_seconds
        if facts.thinking_seconds is None and any(delta.channel is Channel.FINAL for delta in deltas):
            facts.thinking_seconds = facts.total_seconds

    def _outcome(self) -> Outcome:
        if self._is_stopped or self._finish_reason == "abort":
            return Outcome.STOPPED
        if self.facts.error:
            return Outcome.FAILED
        if self._finish_reason == "length":
            self._limit = len(self.token_ids)  # or less, where the model's window is full
            return Outcome.LENGTH
        if not self._parser.has_answer and not self._parser.has_thinking:
            self.facts.error = str(NOTHING_WRITTEN)
            return Outcome.FAILED
        return Outcome.COMPLETE


@asynccontextmanager
async def admit(request: Request | Continuation) -> AsyncIterator[Generation]:
    """Hold the gate and prepare the prompt; the block runs `deltas`.

    Raises EngineNotReadyError or EngineFailedError, BusyError, PromptError; then nothing has begun.
    """
    engine = get_supervisor().engine
    async with get_gate().hold():
        if isinstance(request, Continuation):
            _check_room(request)
            yield Generation.continuing(engine, request)
        else:
            yield Generation(engine, _rendered(request), request.sampling())


def _rendered(request: Request) -> RenderedPrompt:
    return render(
        request.prompt,
        history=request.history,
        effort=request.effort,
        instructions=request.instructions,
        today=request.today,
        max_tokens=context_tokens(),
    )


def _check_room(begun: Continuation) -> None:
    facts = get_supervisor().facts
    window = facts.max_model_len if facts else None
    tokens = len(begun.prompt.token_ids) + len(begun.token_ids)
    if window and tokens + SHORTEST_CONTINUATION_TOKENS > window:
        raise PromptError(
            format_lazy(
                _(
                    "This answer cannot go on: with its prompt it has {tokens} tokens, and {window} fit "
                    "into the model. Ask for the rest in a new prompt, or raise max_model_len in "
                    "VLLM_ENGINE_ARGS."
                ),
                tokens=grouped(tokens),
                window=grouped(window),
            )
        )
