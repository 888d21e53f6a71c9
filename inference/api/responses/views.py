"""POST /v1/responses, as OpenAI's clients know it; GET and DELETE what was stored of it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from inference.admission import rendered
from inference.api import thoughts
from inference.api.answering import answering, failure_of, is_cut_off
from inference.api.auth import Credentials
from inference.api.endpoint import check_model, endpoint, parsed, wait_seconds
from inference.api.errors import ApiError
from inference.api.responses import store
from inference.api.responses.conversation import Conversation, request_of
from inference.api.responses.output import Event, Fields, Output
from inference.api.responses.response import begun, ended, failed
from inference.api.responses.schemas import ITEMS, ReasoningItem, ResponseBody
from inference.api.streams import SSE, sse, streamed
from inference.errors import PromptTooLongError
from inference.generation import Generation
from inference.limits import context_tokens
from inference.models import Source
from inference.parser import Delta
from inference.request import Request

Answering = AsyncGenerator[tuple[Generation, list[Delta]], None]


@endpoint("POST")
async def responses(request: HttpRequest, credentials: Credentials) -> HttpResponseBase:
    body = parsed(request, ResponseBody)
    model = check_model(body.model)
    before = await store.items_before(credentials.user, body.previous_response_id)
    conversation = Conversation([*before, *body.items], len(before), credentials.user.pk)
    asked = request_of(body, conversation)
    response = Response(begun(body, asked, model), conversation if body.is_stored else None, credentials.user.pk)
    try:
        _check_room(asked, body)
        running = answering(asked, credentials, Source.RESPONSES, wait_seconds(request))
        if body.stream:
            return await streamed(response.pieces(running), SSE)
        return await response.whole(running)
    except PromptTooLongError as error:
        raise _too_long(str(error)) from error


@endpoint("GET", "DELETE")
async def stored_response(request: HttpRequest, credentials: Credentials, response_id: str) -> HttpResponseBase:
    wait_seconds(request)  # for whoever adds ?wait= to all: nothing is waited for here
    if request.method == "DELETE":
        await store.delete(credentials.user, response_id)
        return JsonResponse({"id": response_id, "object": "response", "deleted": True})
    return JsonResponse((await store.stored(credentials.user, response_id)).body)


def _check_room(asked: Request, body: ResponseBody) -> None:
    """Raises ApiError where earlier turns would have to go without leave."""
    if body.truncation == "auto" or not asked.history:
        return
    if dropped := rendered(asked).dropped_turns:
        raise _too_long(
            f"The input is too long: {dropped} of its earlier turns would not fit into the {context_tokens()} tokens "
            "that are allowed. Send less, or truncation: 'auto' to leave out the oldest."
        )


def _too_long(message: str) -> ApiError:
    return ApiError(400, message, code="context_length_exceeded", param="input")


class Response:
    """One response in the making; stored at its end where there is a `conversation`."""

    def __init__(self, head: Fields, conversation: Conversation | None, user_id: int) -> None:
        self._object = head
        self._conversation = conversation
        self._user_id = user_id
        self._output = Output()
        self._error: ApiError | None = None

    async def whole(self, running: Answering) -> JsonResponse:
        async with aclosing(self._events(running)) as batches:
            async for _events in batches:
                pass
        if self._error:
            raise self._error
        return JsonResponse(self._object)

    async def pieces(self, running: Answering) -> AsyncGenerator[bytes, None]:
        numbers = itertools.count()
        async with aclosing(self._events(running)) as batches:
            async for events in batches:
                yield b"".join(sse({**event, "sequence_number": next(numbers)}, str(event["type"])) for event in events)

    async def _events(self, running: Answering) -> AsyncGenerator[list[Event], None]:
        """What happens, in order; both kinds of answers are made of it."""
        async with aclosing(running):
            generation, _nothing = await anext(running)
            yield [self._event("response.created"), self._event("response.in_progress")]
            async for _generation, deltas in running:
                events = [event for delta in deltas for event in self._output.take(delta, generation.calls)]
                if events:
                    yield events
        yield await self._end(generation)

    async def _end(self, generation: Generation) -> list[Event]:
        is_cut = is_cut_off(generation)
        self._error = failure_of(generation)
        events = self._output.close("incomplete" if is_cut or self._error else "completed")
        self._object = ended(self._object, self._output.items, generation, is_cut_off=is_cut)
        if not self._error:
            await self._keep(generation.prompt.dropped_turns)
        if self._error:
            self._object = failed(self._object, self._error)
            told = {name: self._error.error[name] for name in ("code", "message", "param")}
            events.append({"type": "error", **told})
        return [*events, self._event(f"response.{self._object['status']}")]

    async def _keep(self, dropped_turns: int) -> None:
        """Before the client is told of the end: it may go on from the response at once."""
        written = ITEMS.validate_python(self._output.items)
        thinking = "\n\n".join(item.text for item in written if isinstance(item, ReasoningItem))
        thoughts.keep(self._user_id, self._output.call_ids, thinking)
        if self._conversation is None:
            return
        items = [*self._conversation.worth_keeping(dropped_turns), *written]
        try:
            await store.keep(self._user_id, self._object, items)
        except ApiError as error:
            self._error = error

    def _event(self, type_: str) -> Event:
        return {"type": type_, "response": self._object}
