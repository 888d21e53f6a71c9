"""JSON schemas that an answer can be held to: what the engine would not enforce, or only slowly, is refused here.

vLLM makes its grammars with xgrammar. What that does with each keyword was tried with 0.2.8: it ignores many without a
word, makes text that is no JSON of some, and computes for minutes on others. The texts are for developers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from pydantic import ValidationError

from inference.errors import PromptError
from inference.schema_keywords import RANGE, Part
from inference.schema_pattern import pattern_weight

MAX_CHARACTERS = 50_000
MAX_NESTING = 40
"""Objects and arrays inside of one another; the work grows with the square of it."""
MAX_SCHEMAS = 500
MAX_PROPERTIES = 100
"""With 100 optional ones side by side each token takes 1 ms more, for all who are served; with 1,000 15 ms."""
MAX_NAME_CHARACTERS = 3_000
MAX_VALUES = 1_000
MAX_VALUE_CHARACTERS = 15_000
MAX_BOUNDS = 100
MAX_FORMATS = 20
MAX_PATTERN_WEIGHT = 40
MAX_ALTERNATIVES = 25
"""At one place, whatever leads there: with 300 each token takes 20 ms more."""


def checked_schema(text: str) -> str:
    """Return the schema as plain JSON; raises PromptError for what an answer could not be held to."""
    if len(text) > MAX_CHARACTERS:
        raise PromptError(f"The JSON schema has {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken.")
    try:
        schema = json.loads(text)
        json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:  # no JSON, no Unicode, or no number
        raise PromptError("The JSON schema is not valid JSON.") from error
    _check_nesting(schema)
    try:
        root = Part.model_validate(schema)
    except ValidationError as error:
        raise PromptError(_told(error)) from error
    _check_sizes(root)
    _check_references(root)
    return json.dumps(schema)


def _check_nesting(schema: object) -> None:
    level = [schema]
    for _ in range(MAX_NESTING):
        level = [child for value in level for child in _children(value)]
    if level:
        raise PromptError(f"The JSON schema is nested deeper than {MAX_NESTING} levels.")


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    path = "/".join(map(str, ("#", *first["loc"])))
    reason = {"extra_forbidden": "this is not supported", "model_type": "a schema is an object"}.get(
        first["type"], first["msg"]
    )
    return f"The JSON schema, {path}: {reason.removeprefix('Value error, ')}."


def _parts(root: Part) -> Iterator[Part]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += part.parts()


def _check_sizes(root: Part) -> None:
    parts = list(_parts(root))
    sizes = {
        "schemas": (len(parts), MAX_SCHEMAS),
        "properties": (sum(len(part.properties) for part in parts), MAX_PROPERTIES),
        "characters of property names": (sum(len("".join(part.properties)) for part in parts), MAX_NAME_CHARACTERS),
        "values of enum": (sum(len(part.enum) for part in parts), MAX_VALUES),
        "characters of values": (sum(len(json.dumps(part.values)) for part in parts), MAX_VALUE_CHARACTERS),
        "bounds of numbers": (sum(len(part.keywords & RANGE) for part in parts), MAX_BOUNDS),
        "formats": (sum("format" in part.keywords for part in parts), MAX_FORMATS),
        "repetitions in patterns": (sum(pattern_weight(part.pattern) for part in parts), MAX_PATTERN_WEIGHT),
    }
    for what, (size, limit) in sizes.items():
        if size > limit:
            raise PromptError(f"The JSON schema has {size:,} {what}; at most {limit:,} are taken.")


def _check_references(root: Part) -> None:
    """Refuse what leads nowhere, or back to itself before anything is written."""
    targets = {"#": root}
    targets |= {f"#/$defs/{name}": part for name, part in root.defs.items()}
    targets |= {f"#/definitions/{name}": part for name, part in root.definitions.items()}
    leads_to: dict[int, list[int]] = {}
    for part in _parts(root):
        alternatives = part.alternatives
        if "$ref" in part.keywords:
            if part.reference not in targets:
                raise PromptError(
                    f'The JSON schema has no "{part.reference}"; "#" and "#/$defs/name" can be referred to.'
                )
            alternatives = [targets[part.reference]]
        leads_to[id(part)] = [id(each) for each in alternatives]
    try:
        TopologicalSorter(leads_to).prepare()
    except CycleError as error:
        raise PromptError("The JSON schema refers to itself before anything is written.") from error
    if any(_reached(part, leads_to) > MAX_ALTERNATIVES for part in leads_to):
        raise PromptError(f"The JSON schema has more than {MAX_ALTERNATIVES} alternatives at one place.")


def _reached(start: int, leads_to: dict[int, list[int]]) -> int:
    """How many schemas may stand in the place of this one; stops counting when there are too many."""
    reached: set[int] = set()
    waiting = [start]
    while waiting and len(reached) <= MAX_ALTERNATIVES:
        new = set(leads_to[waiting.pop()]) - reached
        reached |= new
        waiting += new
    return len(reached)
