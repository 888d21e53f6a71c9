"""POST /api/generate: one prompt or conversation in, events out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from inference.api.answering import answering, failure_of, usage
from inference.api.auth import Credentials
from inference.api.conversion import generate_request
from inference.api.endpoint import endpoint, parsed, wait_seconds
from inference.api.errors import SERVER, ApiError
from inference.api.schemas import GenerateBody
from inference.api.streams import NDJSON, SSE, line, sse, streamed
from inference.generation import Generation
from inference.limits import model_name
from inference.models import Source
from inference.request import Request

Event = dict[str, object]


@endpoint("POST")
async def generate(request: HttpRequest, credentials: Credentials) -> HttpResponseBase:
    body = parsed(request, GenerateBody)
    asked = generate_request(body, credentials.user.pk)
    events = _events(asked, credentials, wait_seconds(request))
    if SSE in request.headers.get("Accept", ""):
        return await streamed(_encoded(events, _named), SSE)
    return await streamed(_encoded(events, line), NDJSON)


async def _encoded(
    events: AsyncGenerator[Event, None], encode: Callable[[Event], bytes]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for event in events:
            yield encode(event)


def _named(event: Event) -> bytes:
    return sse(event, str(event["event"]))


async def _events(asked: Request, credentials: Credentials, seconds: float) -> AsyncGenerator[Event, None]:
    running = answering(asked, credentials, Source.GENERATE, seconds)
    async with aclosing(running):
        generation, _nothing = await anext(running)
        yield _start(generation)
        async for _generation, deltas in running:
            for delta in deltas:
                yield {"event": delta.channel.value, "text": delta.text}
    if error := failure_of(generation) or _nothing_written(generation):
        yield {"event": "error", **error.body}
    yield _done(generation)


def _start(generation: Generation) -> Event:
    return {
        "event": "start",
        "model": model_name(),
        "prompt_tokens": len(generation.prompt.token_ids),
        "max_tokens": generation.max_tokens,
    }


def _nothing_written(generation: Generation) -> ApiError | None:
    text = generation.facts.error
    return ApiError(200, text, code="nothing_written", type=SERVER) if text else None


def _done(generation: Generation) -> Event:
    """Also after an error: what was written until then counts."""
    facts = generation.facts
    return {
        "event": "done",
        "outcome": facts.outcome,
        "usage": usage(generation),
        "timings": {
            "first_token_seconds": facts.first_token_seconds,
            "thinking_seconds": facts.thinking_seconds,
            "total_seconds": facts.total_seconds,
            "tokens_per_second": facts.tokens_per_second,
        },
        "truncated": {"dropped_turns": generation.prompt.dropped_turns},
    }
