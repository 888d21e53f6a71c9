"""Errors as OpenAI's API tells them: a status, and a body with message, type, param and code.

    ApiError
    ├── UnauthorizedError  401
    └── NotFoundError      404

InferenceError, raised below this package, is mapped here once.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.http import JsonResponse

from inference.errors import (
    BusyError,
    DailyLimitError,
    EngineError,
    EngineFailedError,
    EngineNotReadyError,
    GateUnreachableError,
    InferenceError,
    PromptError,
    PromptTooLongError,
)
from inference.supervisor import get_supervisor

LOADING_RETRY_SECONDS = 5

INVALID = "invalid_request_error"
SERVER = "server_error"


class ApiError(Exception):
    """What a client is told instead of an answer; `message` says what to do next."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = INVALID,  # noqa: A002 (the field's name)
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.error: dict[str, object] = {
            "message": message,
            "type": type,
            "param": param,
            "code": code,
            **(facts or {}),
        }

    @property
    def body(self) -> dict[str, object]:
        return {"error": self.error}

    def response(self) -> JsonResponse:
        return JsonResponse(self.body, status=self.status, headers=self.headers)


class UnauthorizedError(ApiError):
    """Nobody, or nobody who is let in."""

    def __init__(self, message: str) -> None:
        super().__init__(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


class NotFoundError(ApiError):
    """Not there, or somebody else's, which is the same."""

    def __init__(self, message: str, *, code: str = "not_found", param: str | None = None) -> None:
        super().__init__(404, message, code=code, param=param)


def api_error(error: InferenceError) -> ApiError:
    """Say who is at fault by the status: the request (4xx), the load (429), the engine (503, or 500 where it broke)."""
    match error:
        case PromptTooLongError():
            return ApiError(400, str(error), code="context_length_exceeded", param="messages")
        case PromptError():
            return ApiError(400, str(error), code="invalid_value")
        case BusyError():
            message = (
                "The model is busy with another answer. Try again in a moment, or let the request wait for its "
                "turn: add ?wait=60 to the address."
            )
            headers = {"Retry-After": str(error.retry_after_seconds)}
            return ApiError(429, message, code="rate_limit_exceeded", type="rate_limit_error", headers=headers)
        case DailyLimitError():
            headers = {"Retry-After": str(error.retry_after_seconds)}
            return ApiError(429, str(error), code="insufficient_quota", type="insufficient_quota", headers=headers)
        case GateUnreachableError():
            message = "Redis does not answer, so nobody can tell whether the model is free. Try again in a moment."
            return _unavailable(message, "gate_unreachable")
        case EngineFailedError() | EngineNotReadyError():
            return _unavailable(str(error), "engine_not_ready")
        case EngineError():
            return ApiError(500, str(error), code="engine_error", type=SERVER)
    return ApiError(500, str(error), code="internal_error", type=SERVER)


def _unavailable(message: str, code: str) -> ApiError:
    status = get_supervisor().status
    facts = {"state": status.state, "detail": str(status.text)}
    headers = {"Retry-After": str(LOADING_RETRY_SECONDS)}
    return ApiError(503, message, code=code, type=SERVER, headers=headers, facts=facts)
