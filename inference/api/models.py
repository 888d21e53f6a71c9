"""GET /v1/models: the one model that is served."""

from __future__ import annotations

import time

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from inference.api.auth import Credentials
from inference.api.endpoint import check_model, endpoint
from inference.limits import context_tokens, longest_answer_tokens, model_name

LOADED_AT = int(time.time())


@endpoint("GET")
async def models(_request: HttpRequest, _credentials: Credentials) -> HttpResponseBase:
    return JsonResponse({"object": "list", "data": [_served()]})


@endpoint("GET")
async def model(_request: HttpRequest, _credentials: Credentials, name: str) -> HttpResponseBase:
    check_model(name)
    return JsonResponse(_served())


def _served() -> dict[str, object]:
    """With what a client must know to fit its prompts, in tokens."""
    return {
        "id": model_name(),
        "object": "model",
        "created": LOADED_AT,
        "owned_by": "localai",
        "max_context_tokens": context_tokens(),
        "max_output_tokens": longest_answer_tokens(),
    }
