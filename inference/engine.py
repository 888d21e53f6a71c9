"""The engine seam: prompt token ids and sampling in, token ids out.

Knows nothing of text, Harmony, the database or HTML. The two implementations are in
`inference.engines`; both satisfy the same contract tests.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.errors import PromptError
from inference.schema import checked_schema

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

VOCABULARY_SIZE = 201_088
"""Rows of gpt-oss's embedding (config.json of openai/gpt-oss-20b); a larger id kills vLLM."""

STOP_TOKEN_IDS = (200_002, 200_012)
"""`<|return|>` and `<|call|>`: what ends an assistant's action in Harmony."""

NEVER_IN_JSON = tuple(token_id for token_id in range(199_998, 200_019) if token_id not in STOP_TOKEN_IDS)
"""All other control tokens with a name: a grammar takes them for the text of their names, fit for any string."""

NEVER = -100.0
"""The least bias that vLLM knows."""

FinishReason = Literal["stop", "length", "abort"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Values are coerced: a wrong Python type would hang vLLM for ever.

    `json_schema` is the text of a JSON schema that all that is written must obey; a stop token ends it.
    Raises PromptError on values out of range.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    json_schema: str | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "max_tokens", int(self.max_tokens))
            object.__setattr__(self, "temperature", float(self.temperature))
            object.__setattr__(self, "top_p", float(self.top_p))
            object.__setattr__(self, "seed", None if self.seed is None else int(self.seed))
        except (TypeError, ValueError, OverflowError) as error:
            raise PromptError(format_lazy(_("A sampling value is not a number: {error}."), error=error)) from error
        if self.max_tokens < 1:
            raise PromptError(
                format_lazy(_("max_tokens must be at least 1, not {max_tokens}."), max_tokens=self.max_tokens)
            )
        if not (math.isfinite(self.temperature) and 0 <= self.temperature <= 2):
            raise PromptError(
                format_lazy(_("temperature must be between 0 and 2, not {temperature}."), temperature=self.temperature)
            )
        if not 0 < self.top_p <= 1:
            raise PromptError(format_lazy(_("top_p must be above 0 and at most 1, not {top_p}."), top_p=self.top_p))
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise PromptError(format_lazy(_("seed must be between 0 and 2**63 - 1, not {seed}."), seed=self.seed))
        if self.json_schema is not None:
            object.__setattr__(self, "json_schema", checked_schema(self.json_schema))


@dataclass(frozen=True, slots=True)
class Tokens:
    """One step of a stream: the new ids, and in the last step why it ended."""

    token_ids: tuple[int, ...]
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a starting engine is doing; `done`/`total` are bytes while it downloads."""

    state: Literal["downloading", "loading", "warming up"]
    text: Text = ""
    done: int = 0
    total: int = 0


class ProgressListener(Protocol):
    def __call__(self, progress: Progress, /) -> None: ...


@dataclass(slots=True)
class EngineFacts:
    """What is known of a started engine."""

    model: str
    max_model_len: int | None = None
    details: dict[str, str] = field(default_factory=dict)
    takes_schema: bool = True
    arguments: dict[str, str] = field(default_factory=dict)
    """What it was started with, and what it made of that; nothing secret."""


class Engine(Protocol):
    """A model that turns token ids into token ids."""

    def start(self, on_progress: ProgressListener) -> EngineFacts:
        """Load the model; blocks for seconds to minutes, so call it in a thread.

        Raises EngineFailedError. May be called again after `stop`.
        """

    def generate(self, prompt_ids: Sequence[int], sampling: Sampling, request_id: str) -> AsyncGenerator[Tokens]:
        """Stream the answer's ids; the last item alone has a finish reason.

        The stop token is among the ids. Closing the generator, or cancelling its task, aborts the
        request in the engine. Raises PromptError (ids out of range, too long for the model),
        EngineNotReadyError, EngineDiedError.
        """

    async def abort(self, request_id: str) -> None:
        """End that request: its stream finishes with "abort". Unknown ids are ignored."""

    async def metrics(self) -> str:
        """Its own metrics in Prometheus' text format; empty when there are none, also when it cannot be asked."""

    def is_healthy(self) -> bool:
        """Whether a started engine can still answer. Cheap; called from any thread."""

    def stop(self) -> None:
        """Free everything; blocks for seconds. Harmless when not started."""


def checked_prompt(prompt_ids: Sequence[int]) -> list[int]:
    """Return the ids as a list of ints; raises PromptError where one would kill the engine."""
    if not prompt_ids:
        raise PromptError(_("The prompt is empty."))
    ids = [int(token_id) for token_id in prompt_ids]
    if min(ids) < 0 or max(ids) >= VOCABULARY_SIZE:
        raise PromptError(format_lazy(_("A prompt token id is outside of 0 … {largest}."), largest=VOCABULARY_SIZE - 1))
    return ids
