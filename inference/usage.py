"""Who asked for a generation, and the record of what it took. Nothing of its text."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from channels.db import database_sync_to_async
from django.utils import timezone

from inference import daily_limits, metrics
from inference.limits import model_name
from inference.models import Source, UsageRecord
from inference.request import CUT_OFF, Continuation, Request, tokens_per_second
from inference.request_id import current_or_new

if TYPE_CHECKING:
    from inference.generation import Generation

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom, and through which door; a command runs for nobody."""

    source: Source
    user_id: int | None = None
    key_id: int | None = None
    request_id: str = field(default_factory=current_or_new)


class Meter:
    """Counts from where the generation stands now: an answer that goes on was recorded up to there.

    The generation counts for the day and hour in which it is admitted.
    """

    def __init__(self, generation: Generation) -> None:
        facts = generation.facts
        self._generation = generation
        self._tokens = len(generation.token_ids)
        self._thinking_tokens, self._answer_tokens = facts.thinking_tokens, facts.answer_tokens
        self._seconds = facts.total_seconds
        self._began_at = timezone.now()
        self._begun: UsageRecord | None = None

    async def begin(self, caller: Caller) -> None:
        """Write the record now already, as of one that is cut off. Raises DailyLimitError."""
        begun = self._record(caller)
        await database_sync_to_async(daily_limits.begin)(begun)
        self._begun = begun

    async def record(self, caller: Caller) -> None:
        """Write the record; a database that cannot take it is no reason to fail an answer."""
        record = self._record(caller)
        _log_end(record)
        metrics.count_generation(record)
        try:
            await database_sync_to_async(record.save)()
        except Exception:  # the database's fault
            logger.exception("A generation could not be recorded.")

    def _record(self, caller: Caller) -> UsageRecord:
        generation, facts = self._generation, self._generation.facts
        local = timezone.localtime(self._began_at)
        return UsageRecord(
            pk=self._begun.pk if self._begun else None,
            created_at=self._began_at,
            day=local.date(),
            hour=local.hour,
            user_id=caller.user_id,
            key_id=caller.key_id,
            source=caller.source,
            model=model_name(),
            prompt_tokens=len(generation.prompt.token_ids),
            thinking_tokens=facts.thinking_tokens - self._thinking_tokens,
            answer_tokens=facts.answer_tokens - self._answer_tokens,
            completion_tokens=len(generation.token_ids) - self._tokens,
            dropped_turns=generation.prompt.dropped_turns,
            first_token_seconds=None if self._tokens else facts.first_token_seconds,
            total_seconds=facts.total_seconds - self._seconds,
            outcome=facts.outcome or CUT_OFF,
        )


def log_begin(request: Request | Continuation, generation: Generation, caller: Caller) -> None:
    _log(
        "Generation began",
        source=caller.source.value,
        user=caller.user_id,
        effort=request.effort.value if isinstance(request, Request) else "as before",
        prompt_tokens=len(generation.prompt.token_ids),
        dropped_turns=generation.prompt.dropped_turns,
        max_tokens=generation.max_tokens,
    )


def _log_end(record: UsageRecord) -> None:
    rate = tokens_per_second(record.completion_tokens, record.first_token_seconds, record.total_seconds)
    _log(
        "Generation ended",
        source=record.source,
        user=record.user_id,
        outcome=str(record.outcome),
        thinking_tokens=record.thinking_tokens,
        answer_tokens=record.answer_tokens,
        first_token_seconds=_rounded(record.first_token_seconds),
        seconds=_rounded(record.total_seconds),
        tokens_per_second=_rounded(rate),
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)


def _log(what: str, **facts: str | float | None) -> None:
    """As a line to read, and as fields of their own where logs are JSON."""
    line = " ".join(f"{name}={'-' if value is None else value}" for name, value in facts.items())
    logger.info("%s: %s", what, line, extra={"facts": facts})
