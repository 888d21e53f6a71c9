"""What a JSON schema may say: the keywords that xgrammar enforces, where it does not ignore them for others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import NoneType
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from inference.schema_pattern import checked_pattern

Type = Literal["string", "integer", "number", "array", "object", "boolean", "null"]

# Those that OpenAI takes. Some others let line ends into strings, or are slow.
Format = Literal["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]

RANGE = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
KEYWORDS: dict[Type, set[str]] = {
    "string": {"pattern", "format"},
    "integer": RANGE,
    "number": RANGE,
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "object": {"properties", "required", "additionalProperties"},
    "boolean": set(),
    "null": set(),
}
EVERYWHERE = {"$defs", "definitions", "$schema", "$id", "$comment", "title", "description", "default", "examples"}
EVERYWHERE |= {"deprecated", "readOnly", "writeOnly"}
ALONE = {"$ref": set[str](), "anyOf": set(), "allOf": set(), "enum": {"type"}, "const": {"type"}}
"""Keywords beside which xgrammar ignores all others, but for these."""

PYTHON_TYPES: dict[Type, set[type]] = {
    "string": {str},
    "integer": {int},
    "number": {int, float},
    "array": {list},
    "object": {dict},
    "boolean": {bool},
    "null": {NoneType},
}
MAX_VALUE_CHARACTERS = 1_000
MAX_NUMBER = 10**15
DECIMALS = 6
"""So many are written of a number within bounds."""


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _anything(value: object) -> object:
    return {} if value is True else value


def _anything_or_nothing(value: object) -> object:
    return {} if isinstance(value, bool) else value


Name = Annotated[str, Field(max_length=MAX_VALUE_CHARACTERS)]
Number = Annotated[int | float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Count = Annotated[int, Field(ge=0, le=10_000)]
Inner = Annotated["Part", BeforeValidator(_anything)]
Rest = Annotated["Part", BeforeValidator(_anything_or_nothing)]


class Part(BaseModel):
    """A schema, or one inside of it. What a keyword that is not there has for a value means nothing."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    types: Annotated[list[Type], BeforeValidator(_listed), Field(alias="type", min_length=1)] = []
    reference: str = Field("", alias="$ref")
    any_of: list[Inner] = Field([], alias="anyOf", min_length=1)
    all_of: list[Inner] = Field([], alias="allOf", min_length=1, max_length=1)
    enum: list[object] = Field([], min_length=1)
    const: object = None

    pattern: Annotated[Name, AfterValidator(checked_pattern)] = ""
    format: Format = "date"
    minimum: Number = 0
    maximum: Number = 0
    exclusive_minimum: Number = Field(0, alias="exclusiveMinimum")
    exclusive_maximum: Number = Field(0, alias="exclusiveMaximum")
    items: Rest | None = None
    prefix_items: list[Inner] = Field([], alias="prefixItems", min_length=1)
    min_items: Count = Field(0, alias="minItems")
    max_items: Count = Field(10_000, alias="maxItems")
    properties: dict[Name, Inner] = {}
    required: list[str] = []
    additional_properties: Rest | None = Field(None, alias="additionalProperties")

    defs: dict[str, Inner] = Field({}, alias="$defs")
    definitions: dict[str, Inner] = {}
    dialect: str = Field("", alias="$schema")
    identifier: str = Field("", alias="$id")
    comment: str = Field("", alias="$comment")
    title: str = ""
    description: str = ""
    default: object = None
    examples: object = None
    deprecated: object = None
    read_only: object = Field(None, alias="readOnly")
    write_only: object = Field(None, alias="writeOnly")

    @property
    def keywords(self) -> set[str]:
        fields = type(self).model_fields
        return {fields[name].alias or name for name in self.model_fields_set}

    @property
    def values(self) -> list[object]:
        return [self.const] if "const" in self.keywords else self.enum

    @property
    def alternatives(self) -> list[Part]:
        """Schemas that stand in this one's place."""
        return [*self.any_of, *self.all_of]

    def parts(self) -> Iterator[Part]:
        """The schemas inside of this one."""
        yield from self.alternatives
        yield from self.prefix_items
        for named in (self.properties, self.defs, self.definitions):
            yield from named.values()
        yield from filter(None, (self.items, self.additional_properties))

    @model_validator(mode="after")
    def _is_enforced(self) -> Part:
        keywords = self.keywords
        alone = sorted(keywords & ALONE.keys())
        taken = {"type"}.union(*(KEYWORDS[each] for each in self.types))
        if alone:
            taken = {alone[0], *ALONE[alone[0]]}
        for keyword in sorted(keywords - EVERYWHERE - taken):
            beside = f"beside {alone[0]}" if alone else f"for the type {' or '.join(self.types) or 'that is not given'}"
            raise ValueError(f"{keyword} is not supported {beside}")
        return self

    @model_validator(mode="after")
    def _has_fitting_values(self) -> Part:
        allowed = set[type]().union(*(PYTHON_TYPES[each] for each in self.types))
        for value in self.values:
            if self.types and type(value) not in allowed:
                raise ValueError("a value of enum or const is not of the type")
            if len(json.dumps(value)) > MAX_VALUE_CHARACTERS:
                raise ValueError(f"a value of enum or const may have {MAX_VALUE_CHARACTERS:,} characters at most")
        return self

    @model_validator(mode="after")
    def _has_its_properties(self) -> Part:
        for name in self.required:
            if name not in self.properties:
                raise ValueError(f"the required property {name!r} is not among the properties")
        return self

    @model_validator(mode="after")
    def _has_room(self) -> Part:
        """Whether something lies within the bounds, as xgrammar writes it."""
        if self.min_items > self.max_items:
            raise ValueError("minItems is larger than maxItems")
        bounds = {each: getattr(self, each.replace("M", "_m")) for each in RANGE & self.keywords}
        is_whole = "integer" in self.types
        if any(number != round(number, 0 if is_whole else DECIMALS) for number in bounds.values()):
            raise ValueError(f"a bound may have {'no' if is_whole else f'at most {DECIMALS}'} decimals")
        step = 1 if is_whole else 10**-DECIMALS
        least = max([bounds.get("minimum", -MAX_NUMBER), bounds.get("exclusiveMinimum", -MAX_NUMBER) + step])
        most = min([bounds.get("maximum", MAX_NUMBER), bounds.get("exclusiveMaximum", MAX_NUMBER) - step])
        if least > most:
            raise ValueError("no number lies within the bounds")
        return self
