"""The API's page for people: the OpenAPI document, laid out. Knows no endpoint of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from inference.api.openapi import REFERENCE, document
from inference.api.parameters import ONLY_NEUTRAL
from inference.api.reference import ENDPOINTS, JSON, REFUSALS, Endpoint

Json = Mapping[str, object]

LARGEST_SHOWN = 10**6


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    address = request.build_absolute_uri("/").rstrip("/")
    bodies = {endpoint.body.__name__ for endpoint in ENDPOINTS if endpoint.body}
    context = {
        "address": address,
        "sections": [Section(endpoint, address) for endpoint in ENDPOINTS],
        "refusals": [(refusal, _worded(refusal.meaning)) for refusal in REFUSALS],
        "shapes": [Shape(name) for name in _shapes() if name not in bodies],
    }
    return render(request, "inference/api_docs.html", context)


@dataclass(frozen=True, slots=True)
class Piece:
    """Of a text: words, code, or the name of a shape that the page explains."""

    text: str
    kind: Literal["words", "code", "shape"] = "words"


@dataclass(frozen=True, slots=True)
class Row:
    """A field of a shape, or a parameter; a neutral one is there for compatibility alone."""

    name: str
    type: Sequence[Piece]
    is_required: bool
    default: str
    is_neutral: bool
    meaning: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the document has under this name."""

    name: str

    @property
    def description(self) -> list[Piece]:
        return _worded(str(_shapes()[self.name].get("description", "")))

    @property
    def rows(self) -> list[Row]:
        shape = _shapes()[self.name]
        required = cast(list[str], shape.get("required", []))
        fields = cast(Mapping[str, Json], shape.get("properties", {}))
        rows = [_row(name, each, is_required=name in required) for name, each in fields.items()]
        return sorted(rows, key=lambda row: (not row.is_required, row.is_neutral))

    @property
    def alternatives(self) -> list[Piece]:
        """Where it is one of several."""
        shape = _shapes()[self.name]
        return [] if "properties" in shape else list(_type(shape))


@dataclass(frozen=True, slots=True)
class Section:
    """An endpoint."""

    endpoint: Endpoint
    address: str

    @property
    def description(self) -> list[Piece]:
        return _worded(self.endpoint.description)

    @property
    def parameters(self) -> list[Row]:
        return [
            _row(str(each["name"]), {**cast(Json, each["schema"]), **each}, is_required=bool(each.get("required")))
            for each in cast(list[Json], self._operation["parameters"])
        ]

    @property
    def body(self) -> Shape | None:
        return Shape(self.endpoint.body.__name__) if self.endpoint.body else None

    @property
    def answers(self) -> list[tuple[str, list[Piece]]]:
        """By content type."""
        answer = cast(Mapping[str, Json], self._operation["responses"])["200"]
        contents = cast(Mapping[str, Mapping[str, Json]], answer["content"])
        return [(kind, list(_type(each["schema"]))) for kind, each in contents.items()]

    @property
    def refusals(self) -> list[int]:
        return sorted(self.endpoint.refusals)

    @property
    def curl(self) -> str:
        """The example as a command."""
        method = "" if self.endpoint.method in ("GET", "POST") else f"-X {self.endpoint.method} "
        lines = [f"curl {method}{self.address}{self.endpoint.path}", '-H "Authorization: Bearer $LOCALAI_API_KEY"']
        if self.endpoint.example:
            lines += [f'-H "Content-Type: {JSON}"', f"-d '{json.dumps(self.endpoint.example)}'"]
        return " \\\n  ".join(lines)

    @property
    def _operation(self) -> Json:
        paths = cast(Mapping[str, Mapping[str, Json]], document()["paths"])
        return paths[self.endpoint.path][self.endpoint.method.lower()]


def _shapes() -> Mapping[str, Json]:
    return cast(Mapping[str, Mapping[str, Json]], document()["components"])["schemas"]


def _row(name: str, schema: Json, *, is_required: bool) -> Row:
    default = "" if schema.get("default") in (None, "", []) else json.dumps(schema["default"])
    is_neutral = schema.get("type") == "null" or None in cast(list[object], schema.get("enum", []))
    meaning = str(schema.get("description", ONLY_NEUTRAL if is_neutral and not is_required else ""))
    return Row(name, list(_type(schema)), is_required, default, is_neutral, _worded(meaning))


def _worded(text: str) -> list[Piece]:
    """What stands between backticks is code."""
    return [Piece(part, "code" if index % 2 else "words") for index, part in enumerate(text.split("`")) if part]


def _type(schema: Json) -> Iterator[Piece]:
    """In words; null goes without saying where there are others."""
    alternatives = cast(list[Json], schema.get("anyOf") or schema.get("oneOf") or [])
    told = [each for each in alternatives if each.get("type") != "null"]
    for index, each in enumerate(told or [schema]):
        if index:
            yield Piece(" or ")
        yield from _type(each) if each is not schema else _single(each)


def _single(schema: Json) -> Iterator[Piece]:
    fields = cast(Mapping[str, Json], schema.get("properties", {}))
    if reference := schema.get("$ref"):
        yield Piece(str(reference).removeprefix(REFERENCE), "shape")
    elif "contentSchema" in schema:
        yield from _type(cast(Json, schema["contentSchema"]))
    elif "const" in schema or "enum" in schema:
        values = cast(list[object], schema.get("enum", [schema.get("const")]))
        yield Piece(", ".join(json.dumps(each) for each in values), "code")
    elif schema.get("type") == "array":
        yield Piece("list of ")
        yield from _type(cast(Json, schema.get("items", {})))
    elif "data" in fields:
        yield Piece("events of ")
        yield from _type(fields["data"])
    else:
        yield Piece(" ".join([str(schema.get("type", "anything")), *_bounds(schema)]))


def _bounds(schema: Json) -> Iterator[str]:
    if "minimum" in schema:
        yield f"from {schema['minimum']}"
    if "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']}"
    if cast(float, schema.get("maximum", LARGEST_SHOWN + 1)) <= LARGEST_SHOWN:
        yield f"to {schema['maximum']:g}"
    if "maxLength" in schema:
        yield f"of at most {schema['maxLength']} characters"
