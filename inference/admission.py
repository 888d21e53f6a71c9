"""The gate's side of a generation: a place for it, at once or in its turn, and its prompt as rendered."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.errors import BusyError, PromptError, grouped
from inference.gate import get_gate
from inference.harmony import RenderedPrompt, render
from inference.limits import context_tokens
from inference.request import Continuation, Request
from inference.schema import checked_schema
from inference.supervisor import get_supervisor

SHORTEST_CONTINUATION_TOKENS = 16
LOOK_AGAIN_SECONDS = 0.05

_queue = asyncio.Lock()
"""Whoever has it is the next of this process; the others wait for it in the order in which they came."""


async def enter(stack: AsyncExitStack, wait_seconds: float) -> None:
    """Take a place at the gate for as long as `stack` is open; raises BusyError, after waiting if asked to."""
    gate = get_gate()
    if wait_seconds <= 0:
        await stack.enter_async_context(gate.hold())
        return
    try:
        async with asyncio.timeout(wait_seconds), _queue:
            while True:
                if not gate.is_full:
                    with suppress(BusyError):  # somebody who does not queue was quicker
                        await stack.enter_async_context(gate.hold())
                        return
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
    except TimeoutError as error:  # nobody left in time
        raise BusyError from error


def check_schemas(request: Request) -> None:
    """Raise PromptError now for a schema that cannot be held to, and not when the text opens that must obey it."""
    schemas = request.rules().schemas
    facts = get_supervisor().facts
    if schemas and facts and not facts.takes_schema:
        raise PromptError("This model has no tokenizer.json, which a JSON schema needs; leave the schema out.")
    for schema in schemas:
        checked_schema(schema)


def rendered(request: Request) -> RenderedPrompt:
    return render(
        request.prompt,
        history=request.history,
        steps=request.steps,
        effort=request.effort,
        instructions=request.instructions,
        tools=request.tools,
        response_format=request.response_format,
        today=request.today,
        max_tokens=context_tokens(),
    )


def check_room(begun: Continuation) -> None:
    """Raise PromptError where nothing more than a few words would fit behind the answer."""
    facts = get_supervisor().facts
    window = facts.max_model_len if facts else None
    tokens = len(begun.prompt.token_ids) + len(begun.token_ids)
    if window and tokens + SHORTEST_CONTINUATION_TOKENS > window:
        raise PromptError(
            format_lazy(
                _(
                    "This answer cannot go on: with its prompt it has {tokens} tokens, and {window} fit "
                    "into the model. Ask for the rest in a new prompt, or raise max_model_len in "
                    "VLLM_ENGINE_ARGS."
                ),
                tokens=grouped(tokens),
                window=grouped(window),
            )
        )
