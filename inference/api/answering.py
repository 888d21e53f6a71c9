"""One generation for an API view, with what all shapes of answers tell of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from inference.api.auth import Credentials
from inference.api.errors import ApiError, api_error
from inference.generation import Generation, admit
from inference.models import Source
from inference.parser import Delta
from inference.request import Outcome, Request
from inference.usage import Caller


async def answering(
    request: Request, credentials: Credentials, source: Source, wait_seconds: float
) -> AsyncGenerator[tuple[Generation, list[Delta]], None]:
    """Stream the generation with its deltas; the first item comes as soon as it is admitted, without any.

    Close it (contextlib.aclosing): that aborts the request in the engine and frees the gate. Raises InferenceError
    before the first item; afterwards `failure_of` tells what went wrong.
    """
    caller = Caller(source, credentials.user.pk, credentials.key_id)
    async with admit(request, caller, wait_seconds) as generation, aclosing(generation.deltas()) as stream:
        yield generation, []
        async for deltas in stream:
            yield generation, deltas


def failure_of(generation: Generation) -> ApiError | None:
    """What ended it without fault of the model; an answer without a word is none."""
    return api_error(generation.failure) if generation.failure else None


def is_cut_off(generation: Generation) -> bool:
    return generation.facts.outcome == Outcome.LENGTH


def usage(generation: Generation) -> dict[str, object]:
    """Tokens in OpenAI's words; what frames the messages counts as completion."""
    prompt, completion = len(generation.prompt.token_ids), len(generation.token_ids)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {"reasoning_tokens": generation.facts.thinking_tokens},
    }
