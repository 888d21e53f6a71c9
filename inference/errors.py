"""Everything that can go wrong between a prompt and its answer.

    InferenceError              its text may be shown to a person and says what to do next
    ├── BusyError               the gate is full: try again when the running answer has ended
    ├── DailyLimitError         the person has had as much as they may on one day
    ├── GateUnreachableError    nobody can tell whether the gate is full: its Redis is away
    ├── PromptError             the prompt cannot be sent as it is
    │   └── PromptTooLongError  it alone exceeds the context; carries both numbers
    └── EngineError             the engine cannot answer
        ├── EngineNotReadyError still starting, or stopped
        ├── EngineFailedError   it could not start; carries the reason and how to fix it
        ├── EngineDiedError     it broke while it generated
        └── EngineHungError     it gave no token for too long

Foreign errors (vllm, httpx, openai_harmony) are mapped to this tree where they enter.

An error is often read elsewhere than it is made: in another thread or task, by people of several
languages. So the texts are lazy ones, translated as they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from django.conf import settings
from django.utils.formats import number_format
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

grouped = lazy(partial(number_format, force_grouping=True), str)
"""A whole number as the reader of a text writes it: 1,234 or 1.234."""


class InferenceError(Exception):
    """Base of all errors of this package; `str(error)` is written for the reader of the page."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)


class BusyError(InferenceError):
    """All generation slots are taken."""

    def __init__(self, retry_after_seconds: int = 5) -> None:
        super().__init__(
            _("The model is busy with another answer. Your prompt is kept here: send it again in a moment.")
        )
        self.retry_after_seconds = retry_after_seconds


class DailyLimitError(InferenceError):
    """The person has had as many generations, or tokens, as they may on one day."""

    def __init__(self, unit: Literal["generations", "tokens"], used: int, limit: int, retry_after_seconds: int) -> None:
        text = (
            _("Your limit for today is reached: {used} of {limit} answers.")
            if unit == "generations"
            else _("Your limit for today is reached: {used} of {limit} tokens.")
        )
        rest = _("It begins anew at midnight ({zone}); an administrator can raise it.")
        super().__init__(
            format_lazy(
                "{} {}",
                format_lazy(text, used=grouped(used), limit=grouped(limit)),
                format_lazy(rest, zone=settings.TIME_ZONE),
            )
        )
        self.retry_after_seconds = retry_after_seconds


class GateUnreachableError(InferenceError):
    """Redis does not answer, so nobody can tell whether the gate is full."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "It could not be checked whether the model is free, because Redis does not answer. "
                "Your prompt is kept here: try again in a moment. If this stays, check REDIS_URL and the Redis server."
            )
        )


class PromptError(InferenceError):
    """The prompt, or what goes with it, cannot be sent as it is."""


class PromptTooLongError(PromptError):
    """The newest prompt alone, with the instructions, exceeds the context."""

    def __init__(self, tokens: int, limit: int, instructions_tokens: int = 0) -> None:
        text = (
            _(
                "This prompt is too long: it needs {tokens} tokens, {instructions} of them for the instructions, "
                "and at most {limit} fit. Shorten the prompt or the instructions, or raise MAX_CONTEXT_TOKENS."
            )
            if instructions_tokens
            else _(
                "This prompt is too long: it needs {tokens} tokens and at most {limit} fit. "
                "Shorten it, or raise MAX_CONTEXT_TOKENS."
            )
        )
        numbers = {"tokens": tokens, "limit": limit, "instructions": instructions_tokens}
        super().__init__(format_lazy(text, **{name: grouped(number) for name, number in numbers.items()}))
        self.tokens = tokens
        self.limit = limit


class EngineError(InferenceError):
    """The engine cannot answer."""


class EngineNotReadyError(EngineError):
    """The engine is still starting, or was stopped."""


class EngineFailedError(EngineError):
    """The engine could not start.

    `reason` is what happened, `fix` what the administrator can do about it; both are one line.
    `log` holds the last errors of the engine's own log, if it got so far.
    """

    def __init__(self, reason: Text, fix: Text = "", log: Sequence[str] = ()) -> None:
        super().__init__(format_lazy("{} {}", reason, fix) if fix else reason)
        self.reason = reason
        self.fix = fix
        self.log = tuple(log)


class EngineDiedError(EngineError):
    """The engine broke while it generated; tokens delivered before are good."""


class EngineHungError(EngineError):
    """The engine gave no token for longer than the settings allow; it is not asked again for this answer."""

    def __init__(self, seconds: float) -> None:
        super().__init__(format_lazy(_("The engine wrote nothing for {} seconds and was given up."), f"{seconds:g}"))
