"""The OpenAPI document: the table of endpoints, with the schemas of what they take and answer."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import cast

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from inference.api.answers import Error
from inference.api.endpoint import LONGEST_WAIT_SECONDS
from inference.api.parameters import MEANINGS, defaults
from inference.api.reference import DONE_EVENT, ENDPOINTS, JSON, REFUSALS, Endpoint, Refusal
from inference.api.streams import SSE

Json = dict[str, object]

REFERENCE = "#/components/schemas/"
HEADERS: Mapping[str, Json] = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"schema": {"const": "Bearer"}},
    "Allow": {"description": "Methods, with commas between.", "schema": {"type": "string"}},
}
DESCRIPTION = (
    "OpenAI's clients work with this site's address and a key of its settings. What is not described here is refused "
    "with a 400 that names it, never ignored."
)


@require_safe
def openapi(request: HttpRequest) -> JsonResponse:
    server = request.build_absolute_uri("/").rstrip("/")
    return JsonResponse({**document(), "servers": [{"url": server}]})


@functools.cache
def document() -> Json:
    """All of it but the server's address."""
    return {
        "openapi": "3.1.1",
        "info": {"title": "LocalAI", "version": "1", "description": DESCRIPTION},
        "security": [{"key": []}, {"session": [], "token": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "responses": {str(refusal.status): _refusal(refusal) for refusal in REFUSALS},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, from the settings."},
                "session": {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A browser's."},
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRFToken",
                    "description": "With a session: the csrftoken cookie's value. Not needed to GET.",
                },
            },
        },
    }


def _paths() -> Json:
    paths: dict[str, Json] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return cast(Json, paths)


def _operation(endpoint: Endpoint) -> Json:
    refusals = {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(endpoint.refusals)}
    operation: Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": list(_parameters(endpoint)),
        "responses": {"200": {"description": "The answer.", "content": _content(endpoint)}, **refusals},
    }
    if endpoint.body:
        body = {"schema": _reference(endpoint.body), "example": endpoint.example}
        operation["requestBody"] = {"required": True, "content": {JSON: body}}
    return operation


def _parameters(endpoint: Endpoint) -> Iterable[Json]:
    for name, description in endpoint.parameters.items():
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "description": description, "schema": schema}
    if endpoint.may_wait:
        yield {
            "name": "wait",
            "in": "query",
            "description": "Seconds to wait for one's turn while the model is busy, instead of a 429 at once.",
            "schema": {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_SECONDS, "default": 0},
        }


def _content(endpoint: Endpoint) -> Json:
    """Of a stream, the schema is that of one event."""
    content: Json = {kind: {"schema": _reference(shape)} for kind, shape in endpoint.answers.items()}
    for kind, shape in endpoint.events.items():
        schema = _server_sent(endpoint, shape) if kind == SSE else _reference(shape)
        content[kind] = {"schema": schema}
    return content


def _server_sent(endpoint: Endpoint, shape: type[BaseModel]) -> Json:
    data: Json = {"contentMediaType": JSON, "contentSchema": _reference(shape)}
    if endpoint.name == "chat_completions":
        data = {"anyOf": [{"const": DONE_EVENT}, data]}
    properties = {"event": {"type": "string"}, "data": {"type": "string", **data}}
    return {"type": "object", "properties": properties, "required": ["data"]}


def _refusal(refusal: Refusal) -> Json:
    headers = {name: {"required": True, **HEADERS[name]} for name in refusal.headers}
    codes = ", ".join(f"`{code}`" for code in refusal.codes)
    described: Json = {"description": f"{refusal.meaning} ({codes})", "content": {JSON: {"schema": _reference(Error)}}}
    return {**described, "headers": headers} if headers else described


def _reference(shape: type[BaseModel]) -> Json:
    return {"$ref": REFERENCE + shape.__name__}


class _Untitled(GenerateJsonSchema):
    """Without pydantic's titles, which say the name once more."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def _schemas() -> Json:
    shapes: set[type[BaseModel]] = {Error}
    for endpoint in ENDPOINTS:
        shapes |= {*endpoint.answers.values(), *endpoint.events.values(), *filter(None, [endpoint.body])}
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (shape, "validation") for shape in sorted(shapes, key=lambda shape: shape.__name__)
    ]
    _references, schema = models_json_schema(modes, schema_generator=_Untitled, ref_template=f"{REFERENCE}{{model}}")
    return {name: _finished(each) for name, each in schema["$defs"].items()}


def _finished(schema: Json) -> Json:
    """With a meaning and this site's default for each field that has none of its own; descriptions in one line."""
    del schema["title"]
    if description := schema.get("description"):
        schema["description"] = " ".join(str(description).split())
    for name, field in cast(dict[str, Json], schema.get("properties", {})).items():
        is_neutral = None in cast(list[object], field.get("enum", []))
        if name in MEANINGS and not is_neutral:
            field.setdefault("description", MEANINGS[name])
        if field.get("default", ...) is None:
            del field["default"]
            field |= {"default": defaults()[name]} if name in defaults() and not is_neutral else {}
    return schema
