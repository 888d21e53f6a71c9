"""Parameters that mean the same wherever they are taken: in words, and what holds where they are left out."""

from __future__ import annotations

from django.conf import settings

from inference.request import recommended_temperature

NO_EFFECT = "Taken for compatibility; has no effect on the answer."
ONLY_NEUTRAL = "For compatibility: nothing else is supported."

MEANINGS = {
    "messages": "The conversation, oldest message first.",
    "prompt": "What is asked.",
    "reasoning_effort": "How long the model thinks before it answers.",
    "effort": "How long the model thinks before it answers.",
    "top_p": "Only the likeliest tokens are drawn that together have this probability.",
    "stream": "Answer with server-sent events, while it is written.",
    "include_usage": "Let the last chunk of a stream tell what it took.",
    "tools": "The functions that the model may call.",
    "tool_choice": "`none`: no function is called. `auto`: the model decides.",
    "response_format": "Text, any JSON object, or JSON that obeys a schema.",
    "tool_calls": "The functions that the model called.",
    "tool_call_id": "In a tool's message: the id of the call that it answers.",
    "description": "What it is for; the model reads it.",
    "schema": "The JSON schema that the answer obeys.",
    "user": NO_EFFECT,
    "safety_identifier": NO_EFFECT,
    "prompt_cache_key": NO_EFFECT,
    "service_tier": NO_EFFECT,
    "top_logprobs": ONLY_NEUTRAL,
    "metadata": f"At most 16 names and texts. {NO_EFFECT}",
}


def defaults() -> dict[str, object]:
    """Those of this site, by name."""
    return {
        "stream": False,
        "store": True,
        "tool_choice": "auto",
        "truncation": "disabled",
        "max_tokens": settings.DEFAULT_MAX_TOKENS,
        "max_completion_tokens": settings.DEFAULT_MAX_TOKENS,
        "max_output_tokens": settings.DEFAULT_MAX_TOKENS,
        "reasoning_effort": settings.DEFAULT_REASONING_EFFORT,
        "effort": settings.DEFAULT_REASONING_EFFORT,
        "temperature": recommended_temperature(),
        "top_p": 1.0,
    }
