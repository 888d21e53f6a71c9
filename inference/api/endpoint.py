"""What all endpoints share: who asks, the body, how long to wait, and errors as JSON whatever happens."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Concatenate, ParamSpec, TypeVar

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from inference.api.auth import Credentials, authenticate
from inference.api.errors import SERVER, ApiError, NotFoundError, api_error
from inference.errors import InferenceError
from inference.limits import model_name
from inference.vocabulary import without_lone_surrogates

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 600.0

Schema = TypeVar("Schema", bound=BaseModel)
P = ParamSpec("P")
Answer = Coroutine[None, None, HttpResponseBase]
View = Callable[Concatenate[HttpRequest, P], Answer]
ApiView = Callable[Concatenate[HttpRequest, Credentials, P], Answer]


def endpoint(*methods: str) -> Callable[[ApiView[P]], View[P]]:
    """Make an API view: it gets whoever asks, and may raise ApiError and InferenceError."""

    def decorated(view: ApiView[P]) -> View[P]:
        @csrf_exempt  # authenticate() asks for the token where a browser's session is what lets it in
        async def answered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            translation.activate("en")  # what is told here is for developers
            try:
                if request.method not in methods:
                    raise _wrong_method(request.method, methods)
                return await view(request, await authenticate(request), *args, **kwargs)
            except ApiError as error:
                return error.response()
            except InferenceError as error:
                return api_error(error).response()
            except SuspiciousOperation as error:  # such as a thousand parameters in the address
                return ApiError(400, str(error), code="invalid_value").response()
            except Exception:  # our own code
                logger.exception("%s %s broke.", request.method, request.path)
                message = "The server made a mistake; its log tells more."
                return ApiError(500, message, code="internal_error", type=SERVER).response()

        return answered

    return decorated


def _wrong_method(method: str | None, methods: tuple[str, ...]) -> ApiError:
    allowed = ", ".join(methods)
    return ApiError(
        405, f"{method} is not possible here; use {allowed}.", code="wrong_method", headers={"Allow": allowed}
    )


@csrf_exempt
async def unknown_address(request: HttpRequest, **_kwargs: object) -> HttpResponse:
    message = f"There is nothing at {request.path}. /api/docs tells what there is."
    return NotFoundError(message, code="unknown_url").response()


def parsed(request: HttpRequest, schema: type[Schema]) -> Schema:
    """Return the body; raises ApiError (413, 400) where it is too large, no JSON, or not what the schema says."""
    try:
        body = request.body
    except RequestDataTooBig as error:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raise ApiError(413, f"The body is larger than {limit} bytes.", code="request_too_large") from error
    except UnreadablePostError as error:  # the client went away while it sent
        raise ApiError(400, "The body did not arrive completely.", code="invalid_json") from error
    try:
        return schema.model_validate_json(_clean(body))
    except ValidationError as error:
        raise _refusal(error) from error


def _clean(body: bytes) -> bytes | str:
    """Replace halves of characters that JSON can spell and UTF-8 cannot."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    try:
        return without_lone_surrogates(json.dumps(json.loads(body), ensure_ascii=False))
    except (ValueError, RecursionError):
        return body  # pydantic says what is wrong with it


def _refusal(error: ValidationError) -> ApiError:
    """Tell of the most specific error: of the alternatives in a union it knows best what was meant."""
    problems = error.errors(include_url=False)
    problem = max(problems, key=lambda each: (len(each["loc"]), each["type"] == "too_long"))
    param = _path(problem["loc"])
    match problem["type"]:
        case "json_invalid":
            reason = problem["msg"].removeprefix("Invalid JSON: ")
            return ApiError(400, f"The body is not valid JSON: {reason}.", code="invalid_json")
        case "extra_forbidden":
            return ApiError(
                400, f"Unknown or unsupported parameter: {param!r}.", code="unsupported_parameter", param=param
            )
        case "missing":
            return ApiError(
                400, f"Missing required parameter: {param!r}.", code="missing_required_parameter", param=param
            )
    where = f"Invalid value for {param!r}: " if param else ""
    return ApiError(400, where + _said(problem), code="invalid_value", param=param or None)


def _said(problem: ErrorDetails) -> str:
    return problem["msg"].removeprefix("Value error, ")


def _path(location: tuple[int | str, ...]) -> str:
    """As one would write it in a program; pydantic's names of a union's alternatives are left out."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and part not in ("str", "list"):
            path += f".{part}" if path else part
    return path


def wait_seconds(request: HttpRequest) -> float:
    """How long the request is ready to wait for its turn: `?wait=`, 0 by default."""
    for name in request.GET.keys() - {"wait"}:
        raise ApiError(400, f"Unknown or unsupported parameter: {name!r}.", code="unsupported_parameter", param=name)
    text = request.GET.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT_SECONDS:
        message = f"wait must be a number of seconds from 0 to {LONGEST_WAIT_SECONDS:g}, not {text!r}."
        raise ApiError(400, message, code="invalid_value", param="wait")
    return seconds


def check_model(name: str | None) -> str:
    """Return the served model; raises NotFoundError where another one is asked for."""
    served = model_name()
    if name is None or name in (served, served.rsplit("/", 1)[-1]):
        return served
    message = f"The model {name!r} is not served here; this server has {served!r}."
    raise NotFoundError(message, code="model_not_found", param="model")
