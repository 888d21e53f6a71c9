"""JSON schemas: what an answer can be held to is taken, all else is refused with where and why."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine import Sampling
from inference.errors import PromptError
from inference.schema import checked_schema

PERSON = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Person",
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "Of the person"},
        "age": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 150}, {"type": "null"}], "default": None},
        "post_code": {"type": "string", "pattern": r"^\d{5}(-\d{4})?$"},
        "mail": {"type": "string", "format": "email"},
        "kind": {"const": "person", "type": "string"},
        "colour": {"enum": ["red", "green"]},
        "size": {"type": "number", "exclusiveMinimum": 0, "maximum": 2.5},
        "home": {"$ref": "#/$defs/place", "description": "Where"},
        "friends": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, True], "items": False, "minItems": 2},
        "more": {"type": "object", "additionalProperties": {"type": ["boolean", "null"]}},
        "wrapped": {"allOf": [{"$ref": "#/$defs/place"}]},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
    "$defs": {"place": {"type": "string"}},
}


def nested(levels: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "null"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def properties(number: int, **schema: object) -> dict[str, object]:
    return {"type": "object", "properties": {f"p{each}": schema for each in range(number)}}


def string(**keywords: object) -> dict[str, object]:
    return {"type": "string", **keywords}


@pytest.mark.parametrize(
    "schema",
    [PERSON, {}, {"type": "object"}, nested(38), properties(100), {"enum": [None, 1, 1.5, True, "x", [1], {"a": 1}]}],
    ids=["all keywords", "anything", "any object", "deep", "wide", "values"],
)
def test_what_is_enforced_is_taken(schema: object) -> None:
    assert json.loads(checked_schema(json.dumps(schema, indent=3))) == schema


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (["type"], "a schema is an object"),
        (None, "a schema is an object"),
        (False, "a schema is an object"),
        ({"type": "banana"}, "#/type"),
        ({"type": []}, "#/type"),
        ({"type": 5}, "#/type"),
        ({"type": "object", "properties": [1]}, "#/properties"),
        ({"type": "object", "properties": {"a": False}}, "#/properties/a"),
        ({"type": "object", "properties": {"a": {}}, "required": ["b"]}, "'b' is not among the properties"),
        ({"properties": {"a": {}}}, "properties is not supported for the type that is not given"),
        ({"type": "array", "pattern": "a"}, "pattern is not supported for the type array"),
        ({"type": "array", "items": [{}]}, "#/items"),
        ({"type": "array", "minItems": 10**9}, "#/minItems"),
        ({"type": "array", "minItems": -1}, "#/minItems"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "minItems is larger"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "no number lies within"),
        ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2}, "no number lies within"),
        ({"type": "integer", "minimum": 1.5}, "no decimals"),
        ({"type": "number", "minimum": 1e-9}, "at most 6 decimals"),
        ({"type": "number", "maximum": 1e300}, "#/maximum"),
        ({"type": "integer", "maximum": 10**400}, "#/maximum"),
        ({"type": "integer", "multipleOf": 5}, "#/multipleOf: this is not supported"),
        (string(minLength=3), "#/minLength: this is not supported"),
        (string(maxLength=3), "#/maxLength: this is not supported"),
        (string(format="json-pointer"), "#/format"),
        ({"not": {}}, "#/not"),
        ({"oneOf": [{}]}, "#/oneOf"),
        ({"allOf": [{}, {}]}, "#/allOf"),
        ({"if": {}, "then": {}}, "#/if"),
        ({"anyOf": [{"type": "integer"}], "minimum": 3}, "minimum is not supported beside anyOf"),
        ({"enum": []}, "#/enum"),
        ({"enum": ["a"], "type": "integer"}, "is not of the type"),
        ({"const": True, "type": "integer"}, "is not of the type"),
        ({"const": "x" * 1_000}, "1,000 characters at most"),
        ({"$ref": "#"}, "refers to itself"),
        ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}, "refers to itself"),
        ({"$ref": "#/$defs/a"}, 'no "#/\\$defs/a"'),
        ({"$ref": "file:///etc/passwd"}, 'no "file:///etc/passwd"'),
        ({"type": "array", "items": {"$ref": "https://example.org/schema.json"}}, 'no "https://example.org'),
        (nested(39), "deeper than 40"),
        (nested(400), "deeper than 40"),
        (properties(101), "101 properties"),
        (properties(60, anyOf=[{"type": "null"}] * 8), "541 schemas"),
        (properties(21, **string(format="date")), "21 formats"),
        (properties(5, **string(pattern=r"^\d{9}$")), "50 repetitions"),
        ({"enum": list(range(1_001))}, "1,001 values"),
        ({"enum": ["x" * 900 + str(each) for each in range(17)]}, "characters of values"),
        ({"type": "object", "properties": {"x" * 900 + str(each): {} for each in range(4)}}, "of property names"),
        ({"anyOf": [{"anyOf": [{}] * 13}, {"anyOf": [{}] * 13}]}, "more than 25 alternatives"),
        ({"description": "x" * 50_000}, "50,019 characters"),
    ],
)
def test_what_is_not_enforced_is_refused(schema: object, reason: str) -> None:
    with pytest.raises(PromptError, match=reason):
        checked_schema(json.dumps(schema))


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"const": NaN}', '{"const": 1e999}', '{"const": "\\ud800"}', "[" * 20_000, "9" * 5_000]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(PromptError, match=r"not valid JSON|nested"):
        checked_schema(text)


@pytest.mark.parametrize(
    "pattern", ["", "abc", r"^\d{3}-\d{4}$", "^[A-Za-z_][\\w.-]*$", "^(red|green)?$", r"^\$\(\w+\)$", "é", "^(?:a|b)$"]
)
def test_plain_patterns_are_taken(pattern: str) -> None:
    checked_schema(json.dumps(string(pattern=pattern)))


@pytest.mark.parametrize(
    "pattern",
    [
        *('a"b', r"a\\b", r"a\nb", "a\nb", r"\x41", r"\u0041", r"\bword", r"\p{L}", r"(a)\1", "(?=a)b", "(?!a)b"),
        *("(?i)a", "a^b", "a$b", "(", "[", "[]", "[^a]", "[é-ü]", ".*", r"\W", "(a+)+", "(a*){9}", "a**", "a{3}{3}"),
        *("a{100}", "a{1,1000}", r"\d" * 41, "a*" * 14, "a{20}b{21}"),
    ],
)
def test_patterns_that_cannot_be_relied_on_are_refused(pattern: str) -> None:
    with pytest.raises(PromptError, match=r"#/pattern|4[12] repetitions"):
        checked_schema(json.dumps(string(pattern=pattern)))


def test_a_request_carries_no_schema_that_was_not_checked() -> None:
    assert Sampling(5, json_schema='{ "type":"null" }').json_schema == '{"type": "null"}'
    with pytest.raises(PromptError):
        Sampling(5, json_schema='{"not": {}}')


KEYWORDS = ["type", "anyOf", "allOf", "$ref", "$defs", "enum", "items", "properties", "required", "minimum", "minItems"]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["#", "object", "array", "integer"])
SCHEMAS = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYWORDS, "a"]), inner, max_size=4),
    max_leaves=15,
)


@given(SCHEMAS)
def test_no_schema_surprises(schema: object) -> None:
    with suppress(PromptError):
        checked_schema(json.dumps(schema))
