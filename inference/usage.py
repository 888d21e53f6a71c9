"""Who asked for a generation, and the record of what it took. Nothing of its text."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from channels.db import database_sync_to_async

from inference.limits import model_name
from inference.models import Source, UsageRecord

if TYPE_CHECKING:
    from inference.generation import Generation

logger = logging.getLogger(__name__)

CUT_OFF = "interrupted"
"""How a generation ends whose client went away, or whose server did."""


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom, and through which door; a command runs for nobody."""

    source: Source
    user_id: int | None = None
    key_id: int | None = None


class Meter:
    """Counts from where the generation stands now: an answer that goes on was recorded up to there."""

    def __init__(self, generation: Generation) -> None:
        facts = generation.facts
        self._generation = generation
        self._tokens = len(generation.token_ids)
        self._thinking_tokens, self._answer_tokens = facts.thinking_tokens, facts.answer_tokens
        self._seconds = facts.total_seconds

    async def record(self, caller: Caller) -> None:
        """Write the record; a database that cannot take it is no reason to fail an answer."""
        try:
            await database_sync_to_async(self._record(caller).save)()
        except Exception:  # the database's fault
            logger.exception("A generation could not be recorded.")

    def _record(self, caller: Caller) -> UsageRecord:
        generation, facts = self._generation, self._generation.facts
        return UsageRecord(
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
