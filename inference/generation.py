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
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import ClassVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference import daily_limits, metrics
from inference.admission import check_room, check_schemas, enter, rendered
from inference.engine import Engine, FinishReason, Sampling, Tokens
from inference.errors import EngineDiedError, EngineError, EngineHungError, EngineNotReadyError, InferenceError
from inference.harmony import RenderedPrompt
from inference.parser import Channel, Delta
from inference.reader import Reader
from inference.refusals import refusals
from inference.request import Continuation, Facts, Outcome, Request, Rules
from inference.supervisor import get_supervisor
from inference.usage import Caller, Meter, log_begin

logger = logging.getLogger(__name__)

MAX_DEATHS = 2
"""So many times an answer outlives its engine."""
RECOVERY_SECONDS = 0.5
AT_ONCE_SECONDS = 0.0005
"""What came sooner was there already."""
NOTHING_WRITTEN = _("The model ended without writing anything; another effort may help.")


class Generation:
    """An admitted request: its prompt as rendered, then its deltas, then its facts.

    It runs in legs, each a request to the engine that goes on from the tokens so far: a new leg begins
    when the engine died and is well again, when an answer is demanded of a thinking model, and where a text
    opens that must obey a schema.
    """

    _heard_at: ClassVar[float] = -math.inf
    """When the engine last gave a token to any generation: one that hangs gives none to any."""

    def __init__(self, engine: Engine, prompt: RenderedPrompt, sampling: Sampling, rules: Rules | None = None) -> None:
        self.prompt = prompt
        self.sampling = sampling
        self.facts = Facts()
        self.request_id = ""
        """What the ids of its requests to the engine begin with."""
        self.failure: InferenceError | None = None
        """What ended it, where that was no fault of the model."""
        self.begun: list[Delta] = []
        """What the tokens say that were there before the first leg."""
        self.begun_tokens = 0
        self._engine = engine
        self._reader = Reader(rules or Rules())
        self._limit = sampling.max_tokens
        self._id = ""
        self._finish_reason: FinishReason | None = None
        self._deaths = 0
        self._waiting: asyncio.Task[Engine] | None = None
        self._is_stopped = False
        self._wants_answer = False
        self._gather_seconds = 0.0
        self._is_hurried = asyncio.Event()

    @classmethod
    def continuing(cls, engine: Engine, begun: Continuation) -> Generation:
        generation = cls(engine, begun.prompt, begun.sampling())
        generation.facts = begun.facts
        generation.begun = generation._reader.read(begun.token_ids)
        generation.begun_tokens = len(generation.token_ids)
        generation._limit += len(begun.token_ids)
        generation._wants_answer = begun.answers_now
        return generation

    @property
    def max_tokens(self) -> int:
        """The length at which it is cut off, in output tokens from the answer's beginning."""
        return self._limit

    @property
    def token_ids(self) -> list[int]:
        """What was written so far."""
        return self._reader.token_ids

    @property
    def calls(self) -> list[str]:
        """The functions that the model called, in order."""
        return self._reader.parser.calls

    async def deltas(self, gather_seconds: float = 0.0) -> AsyncGenerator[list[Delta], None]:
        """Stream what is written; ends with `facts.outcome` set, also when the engine fails.

        After the first text more is let gather for so long: a process that need not wake for each token has
        more to spare.
        """
        self._gather_seconds = gather_seconds
        try:
            async with aclosing(self._legs()) as legs:
                async for deltas in legs:
                    yield deltas
        except InferenceError as error:
            self.failure = error
            self.facts.error = str(error)
        rest = self._reader.finish()
        self._note(rest)
        self.facts.outcome = self._outcome()
        if rest:
            yield rest

    async def stop(self) -> None:
        """End it where it is; what was written stays."""
        self._is_stopped = True
        if self._waiting:
            self._waiting.cancel()
        await self._end_leg()

    async def answer_now(self) -> None:
        """End the thinking where it is and have the answer written. Harmless when it is being written."""
        if not self._reader.parser.has_answer:
            self._wants_answer = True
            await self._end_leg()

    async def _end_leg(self) -> None:
        self._is_hurried.set()
        await self._engine.abort(self._id)

    async def _legs(self) -> AsyncGenerator[list[Delta], None]:
        while not self._is_stopped:
            if self._wants_answer:
                yield self._demand_answer()
            is_ended = self._reader.parser.is_ended
            self._finish_reason = "stop" if is_ended else "length"
            if is_ended or len(self.token_ids) >= self._limit:
                return
            try:
                async with aclosing(self._leg()) as leg:
                    async for deltas in leg:
                        yield deltas
            except (EngineDiedError, EngineNotReadyError) as error:
                self._finish_reason = None
                await self._outlive(error)
            else:
                if not self._reader.is_schema_due and not self._is_wanting():
                    return

    async def _leg(self) -> AsyncGenerator[list[Delta], None]:
        """One request to the engine. Raises EngineHungError when it is silent for too long."""
        self._id = f"{self.request_id}-{uuid.uuid4().hex}".lstrip("-")
        self._reader.is_schema_due = False
        self._is_hurried.clear()
        seconds_before, started = self.facts.total_seconds, time.perf_counter()
        left = self._limit - len(self.token_ids)
        sampling = replace(self.sampling, max_tokens=left, json_schema=self._reader.schema)
        limit_seconds = settings.FIRST_TOKEN_TIMEOUT
        stream = self._engine.generate([*self.prompt.token_ids, *self.token_ids], sampling, self._id)
        async with aclosing(stream):
            while not self._is_stopped:
                asked_at = time.perf_counter()
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
                now = time.perf_counter()
                self.facts.total_seconds = seconds_before + now - started
                if self._may_gather(tokens) and now - asked_at > AT_ONCE_SECONDS:
                    await self._gather()
                if deltas := self._read(tokens):
                    yield deltas
                if self._reader.is_stopped or self._reader.is_schema_due:
                    return

    def _may_gather(self, tokens: Tokens) -> bool:
        """Neither the first text waits for more, nor the last."""
        parser = self._reader.parser
        has_begun = parser.thinking_tokens or parser.answer_tokens
        return bool(self._gather_seconds and has_begun and not tokens.finish_reason)

    async def _gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._gather_seconds):
                await self._is_hurried.wait()

    async def _outlive(self, error: EngineError) -> None:
        """Wait until the engine is well again; raises `error`, or the engine's, when that is not to be."""
        has_begun = self._deaths or self.token_ids or isinstance(error, EngineDiedError)
        self._deaths += 1
        # A schema holds from a text's first token on: half a text cannot be gone on with.
        if self._is_stopped or not has_begun or self._deaths > MAX_DEATHS or self._reader.schema:
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
        return self._wants_answer and (self._finish_reason == "abort" or not self._reader.parser.has_answer)

    def _demand_answer(self) -> list[Delta]:
        self._wants_answer = False
        deltas = self._reader.demand_answer()
        self._limit = len(self.token_ids) + self.sampling.max_tokens
        return deltas

    def _read(self, tokens: Tokens) -> list[Delta]:
        deltas = self._reader.read(tokens.token_ids)
        self._finish_reason = "stop" if self._reader.is_stopped else tokens.finish_reason
        self._note(deltas)
        return deltas

    def _note(self, deltas: list[Delta]) -> None:
        facts, parser = self.facts, self._reader.parser
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
        parser = self._reader.parser
        if not parser.has_answer and not parser.has_thinking and not parser.calls:
            self.facts.error = str(NOTHING_WRITTEN)
            return Outcome.FAILED
        return Outcome.COMPLETE


@asynccontextmanager
async def admit(
    request: Request | Continuation, caller: Caller, wait_seconds: float = 0.0
) -> AsyncIterator[Generation]:
    """Hold the gate and prepare the prompt; the block runs `deltas`. What it took is recorded at its end.

    A full gate is waited for in turn, for `wait_seconds` at most. Raises EngineNotReadyError or
    EngineFailedError, DailyLimitError, BusyError, PromptError; then nothing has begun.
    """
    async with AsyncExitStack() as stack:
        try:
            is_limited = caller.user_id is not None and await _has_limits(caller.user_id)
            generation = await _prepared(request, stack, wait_seconds)
            meter = Meter(generation)
            if is_limited:
                await meter.begin(caller)
        except InferenceError as error:
            metrics.count_refusal(caller.source, error)
            await refusals.note(caller, error)
            raise
        generation.request_id = caller.request_id
        log_begin(request, generation, caller)
        try:
            yield generation
        finally:
            await stack.aclose()
            await meter.record(caller)


@sync_to_async
def _has_limits(user_id: int) -> bool:
    """Over the connection that looked up who asks, where there is one; none is held while an answer is written."""
    try:
        return daily_limits.check(user_id)
    finally:
        close_old_connections()


async def _prepared(request: Request | Continuation, stack: AsyncExitStack, wait_seconds: float) -> Generation:
    """With a place at the gate for as long as `stack` is open."""
    engine = get_supervisor().engine
    if isinstance(request, Request):
        check_schemas(request)
    await enter(stack, wait_seconds)
    if wait_seconds:
        engine = get_supervisor().engine
    if isinstance(request, Continuation):
        check_room(request)
        return Generation.continuing(engine, request)
    return Generation(engine, rendered(request), request.sampling(), request.rules())
