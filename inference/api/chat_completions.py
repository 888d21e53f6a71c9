"""POST /v1/chat/completions, as OpenAI's clients know it, with the thinking in `reasoning_content`."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypedDict

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from inference.api import thoughts
from inference.api.answering import answering, failure_of, is_cut_off, usage
from inference.api.auth import Credentials
from inference.api.conversion import chat_completion_request
from inference.api.endpoint import check_model, endpoint, parsed, wait_seconds
from inference.api.schemas import ChatCompletionBody
from inference.api.streams import DONE, SSE, sse, streamed
from inference.generation import Generation
from inference.models import Source
from inference.parser import Channel, Delta

Answering = AsyncGenerator[tuple[Generation, list[Delta]], None]


@endpoint("POST")
async def chat_completions(request: HttpRequest, credentials: Credentials) -> HttpResponseBase:
    body = parsed(request, ChatCompletionBody)
    asked = chat_completion_request(body, credentials.user.pk)
    completion = Completion(check_model(body.model), credentials.user.pk)
    running = answering(asked, credentials, Source.CHAT_COMPLETIONS, wait_seconds(request))
    if body.stream:
        has_usage = bool(body.stream_options and body.stream_options.include_usage)
        return await streamed(completion.pieces(running, has_usage=has_usage), SSE)
    return await completion.whole(running)


class Call(TypedDict):
    id: str
    type: str
    function: dict[str, str]


class Completion:
    """One answer in the making."""

    def __init__(self, model: str, user_id: int) -> None:
        self._user_id = user_id
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        self._thinking: list[str] = []
        self._text: list[str] = []
        self._calls: list[Call] = []

    async def whole(self, running: Answering) -> JsonResponse:
        async with aclosing(running):
            async for generation, deltas in running:
                for delta in deltas:
                    self._take(delta, generation)
        if error := failure_of(generation):
            raise error
        self._end()
        thinking = "".join(self._thinking) or None
        message = {
            "role": "assistant",
            "content": "".join(self._text) or (None if self._calls else ""),
            "reasoning_content": thinking,
            "reasoning": thinking,
            **({"tool_calls": self._calls} if self._calls else {}),
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason(generation)}
        return JsonResponse(
            {
                **self._head,
                "object": "chat.completion",
                "choices": [choice],
                "usage": usage(generation),
                "dropped_turns": generation.prompt.dropped_turns,
            }
        )

    async def pieces(self, running: Answering, *, has_usage: bool) -> AsyncGenerator[bytes, None]:
        async with aclosing(running):
            generation, _nothing = await anext(running)
            yield self._chunk({"role": "assistant", "content": ""})
            async for generation, deltas in running:
                if piece := b"".join(self._chunk(self._take(delta, generation)) for delta in deltas):
                    yield piece
        if error := failure_of(generation):
            yield sse(error.body)
            return
        self._end()
        end = {"dropped_turns": generation.prompt.dropped_turns}
        yield self._chunk({}, self._finish_reason(generation), **end)
        if has_usage:
            yield sse({**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage(generation)})
        yield DONE

    def _chunk(self, delta: dict[str, object], finish_reason: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return sse({**self._head, "object": "chat.completion.chunk", "choices": [choice], **more})

    def _take(self, delta: Delta, generation: Generation) -> dict[str, object]:
        """Note it; returns how a stream tells of it."""
        match delta.channel:
            case Channel.ANALYSIS:
                self._thinking.append(delta.text)
                return {"reasoning_content": delta.text, "reasoning": delta.text}
            case Channel.FINAL:
                self._text.append(delta.text)
                return {"content": delta.text}
        return {"tool_calls": [self._take_call(delta, generation)]}

    def _take_call(self, delta: Delta, generation: Generation) -> dict[str, object]:
        index = delta.call or 0
        if index < len(self._calls):
            self._calls[index]["function"]["arguments"] += delta.text
            return {"index": index, "function": {"arguments": delta.text}}
        function = {"name": generation.calls[index], "arguments": delta.text}
        call = Call(id=f"call_{uuid.uuid4().hex[:24]}", type="function", function=function)
        self._calls.append(call)
        return {"index": index, **call, "function": dict(function)}

    def _end(self) -> None:
        thoughts.keep(self._user_id, [call["id"] for call in self._calls], "".join(self._thinking))

    def _finish_reason(self, generation: Generation) -> str:
        if is_cut_off(generation):
            return "length"
        return "tool_calls" if self._calls else "stop"
