"""Everything that can go wrong between a prompt and its answer.

    InferenceError              its text may be shown to a person and says what to do next
    ├── BusyError               the gate is full: try again when the running answer has ended
    ├── GateUnreachableError    nobody can tell whether the gate is full: its Redis is away
    ├── PromptError             the prompt cannot be sent as it is
    │   └── PromptTooLongError  it alone exceeds the context; carries both numbers
    └── EngineError             the engine cannot answer
        ├── EngineNotReadyError still starting, or stopped
        ├── EngineFailedError   it could not start; carries the reason and how to fix it
        ├── EngineDiedError     it broke while it generated
        └── EngineHungError     it gave no token for too long

Foreign errors (vllm, httpx, openai_harmony) are mapped to this tree where they enter.
"""

from __future__ import annotations

from collections.abc import Sequence


class InferenceError(Exception):
    """Base of all errors of this package; `str(error)` is written for the reader of the page."""


class BusyError(InferenceError):
    """All generation slots are taken."""

    def __init__(self, retry_after_seconds: int = 5) -> None:
        super().__init__("The model is busy with another answer. Your prompt is kept here: send it again in a moment.")
        self.retry_after_seconds = retry_after_seconds


class GateUnreachableError(InferenceError):
    """Redis does not answer, so nobody can tell whether the gate is full."""

    def __init__(self) -> None:
        super().__init__(
            "It could not be checked whether the model is free, because Redis does not answer. "
            "Your prompt is kept here: try again in a moment. If this stays, check REDIS_URL and the Redis server."
        )


class PromptError(InferenceError):
    """The prompt, or what goes with it, cannot be sent as it is."""


class PromptTooLongError(PromptError):
    """The newest prompt alone, with the instructions, exceeds the context."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(
            f"This prompt is too long: it needs {tokens:,} tokens and at most {limit:,} fit. "
            "Shorten it, or raise MAX_CONTEXT_TOKENS."
        )
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

    def __init__(self, reason: str, fix: str = "", log: Sequence[str] = ()) -> None:
        super().__init__(f"{reason} {fix}".strip())
        self.reason = reason
        self.fix = fix
        self.log = tuple(log)


class EngineDiedError(EngineError):
    """The engine broke while it generated; tokens delivered before are good."""


class EngineHungError(EngineError):
    """The engine gave no token for longer than the settings allow; it is not asked again for this answer."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The engine wrote nothing for {seconds:g} seconds and was given up.")
