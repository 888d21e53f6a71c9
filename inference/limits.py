"""Which model answers, and how much it takes and writes: the settings, and what the engine says of itself."""

from __future__ import annotations

from django.conf import settings

from inference.request import is_demo
from inference.supervisor import get_supervisor, needed_model_len


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
