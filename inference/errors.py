"""Everything that can go wrong between a prompt and its answer.

    InferenceError              its text may be shown to a person and says what to do next
    ├── BusyError               the gate is full: try again when the running answer has ended
    ├── PromptError             the prompt cannot be sent as it is
    │   └── PromptTooLongError  it alone exceeds the context; carries both numbers
    └── EngineError             the engine cannot answer
        ├── EngineNotReadyError still starting, or stopped
        ├── EngineFailedError   it could not start; carries the reason and how to fix it
        └── EngineDiedError     it broke while it generated

Foreign errors (vllm, httpx, openai_harmony) are mapped to this tree where they enter.
"""

from __future__ import annotations


class InferenceError(Exception):
    """Base of all errors of this package; `str(error)` is written for the reader of the page."""


class BusyError(InferenceError):
    """All generation slots are taken."""

    def __init__(self, retry_after_seconds: int = 5) -> None:
        super().__init__("The model is busy with another answer. Your prompt is kept here: send it again in a moment.")
        self.retry_after_seconds = retry_after_seconds


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
    """

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(f"{reason} {fix}".strip())
        self.reason = reason
        self.fix = fix


class EngineDiedError(EngineError):
    """The engine broke while it generated; tokens delivered before are good."""
