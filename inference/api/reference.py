"""The table of the endpoints: what each takes, what it answers, what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from inference.api import answers
from inference.api.responses import answers as responses_answers
from inference.api.responses.schemas import ResponseBody
from inference.api.schemas import ChatCompletionBody, GenerateBody
from inference.api.streams import NDJSON, SSE

JSON = "application/json"
DONE_EVENT = "[DONE]"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a status other than 200 means; `headers` come with it always."""

    status: int
    codes: tuple[str, ...]
    meaning: str
    headers: tuple[str, ...] = ()


REFUSALS = (
    Refusal(
        400,
        (
            "invalid_json",
            "missing_required_parameter",
            "unsupported_parameter",
            "invalid_value",
            "context_length_exceeded",
        ),
        "The request is not one that can be answered. `param` names what is wrong, `message` says why. Correct it; "
        "the same request will be refused again.",
    ),
    Refusal(
        401,
        ("invalid_api_key",),
        "No key, or one that is wrong, revoked or expired. Create a key in the settings.",
        ("WWW-Authenticate",),
    ),
    Refusal(
        403,
        ("csrf_failed",),
        "A browser's session sends the csrftoken cookie's value as X-CSRFToken, too. Programs use a key instead.",
    ),
    Refusal(
        404,
        ("model_not_found", "not_found", "previous_response_not_found", "unknown_url"),
        "There is no such model, stored response or address. What belongs to somebody else is not there, either.",
    ),
    Refusal(405, ("wrong_method",), "The address takes other methods; the header Allow names them.", ("Allow",)),
    Refusal(413, ("request_too_large",), "The body is too large. Send less."),
    Refusal(
        429,
        ("rate_limit_exceeded", "insufficient_quota"),
        "The model is busy with other answers: try again after Retry-After seconds, or let the request wait for its "
        "turn, `?wait=60`. Or (`insufficient_quota`) your limit for the day is reached, and Retry-After is midnight. "
        "Or very many requests came within a minute.",
        ("Retry-After",),
    ),
    Refusal(
        500,
        ("engine_error", "not_stored", "internal_error"),
        "The engine broke and could not go on, or the site made a mistake; the server's log tells more. Try again.",
    ),
    Refusal(
        503,
        ("engine_not_ready", "gate_unreachable"),
        "The engine is still loading, or could not start. `state` and `detail` tell how far it is. Try again after "
        "Retry-After seconds.",
        ("Retry-After",),
    ),
)

ALWAYS = (401, 405, 429, 500)
CHANGING = (*ALWAYS, 403)
ASKING = (*CHANGING, 400, 413, 503)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`answers` and `events`: what comes with 200, whole and as a stream, by content type; an event is one of it.

    `parameters` are those of the path, by name; `example` is a body.
    """

    method: str
    path: str
    name: str
    summary: str
    description: str
    refusals: tuple[int, ...]
    answers: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    events: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    body: type[BaseModel] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    example: Mapping[str, object] | None = None

    @property
    def may_wait(self) -> bool:
        return 503 in self.refusals


MODEL_PARAMETER = {"model": "The model's id as /v1/models has it; a slash in it may stay as it is."}
RESPONSE_PARAMETER = {"response_id": "The id of a response that was stored, resp_…."}
QUESTION = "What is the capital of France?"

ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/generate",
        "generate",
        "One prompt or conversation in, events out",
        "The site's own endpoint, always a stream: one JSON object a line (NDJSON), or server-sent events with the "
        "same objects where the header Accept asks for text/event-stream. Earlier turns that do not fit are left "
        "out, oldest first; `done` tells how many.",
        ASKING,
        events={NDJSON: answers.GenerateEvent, SSE: answers.GenerateEvent},
        body=GenerateBody,
        example={"prompt": QUESTION, "reasoning_effort": "low"},
    ),
    Endpoint(
        "POST",
        "/v1/chat/completions",
        "chat_completions",
        "OpenAI's Chat Completions",
        "With the thinking in `reasoning_content` (and `reasoning`). `stream: true` answers with server-sent events, "
        "closed by [DONE]. Earlier turns that do not fit are left out, oldest first; `dropped_turns` tells how many.",
        (*ASKING, 404),
        answers={JSON: answers.ChatCompletion},
        events={SSE: answers.ChatCompletionEvent},
        body=ChatCompletionBody,
        example={"messages": [{"role": "user", "content": QUESTION}], "stream": True},
    ),
    Endpoint(
        "POST",
        "/v1/responses",
        "responses",
        "OpenAI's Responses",
        "With the reasoning as items of the output. `stream: true` answers with server-sent events. Responses are "
        "stored unless `store` is false: the newest 100 of each person, for 30 days.",
        (*ASKING, 404),
        answers={JSON: responses_answers.Response},
        events={SSE: responses_answers.ResponseEvent},
        body=ResponseBody,
        example={"input": QUESTION},
    ),
    Endpoint(
        "GET",
        "/v1/responses/{response_id}",
        "stored_response",
        "A stored response",
        "As it was answered.",
        (*ALWAYS, 400, 404),
        answers={JSON: responses_answers.Response},
        parameters=RESPONSE_PARAMETER,
    ),
    Endpoint(
        "DELETE",
        "/v1/responses/{response_id}",
        "delete_response",
        "Delete a stored response",
        "It cannot be gone on from afterwards; responses that went on from it stay.",
        (*CHANGING, 400, 404),
        answers={JSON: responses_answers.DeletedResponse},
        parameters=RESPONSE_PARAMETER,
    ),
    Endpoint(
        "GET",
        "/v1/models",
        "models",
        "The model that is served",
        "A list of one, with what clients must know to fit their prompts.",
        ALWAYS,
        answers={JSON: answers.ModelList},
    ),
    Endpoint(
        "GET",
        "/v1/models/{model}",
        "model",
        "The same by its id",
        "The last part of the id will do, such as gpt-oss-20b.",
        (*ALWAYS, 404),
        answers={JSON: answers.Model},
        parameters=MODEL_PARAMETER,
    ),
)
