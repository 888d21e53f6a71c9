"""JSON that resembles what a reader expects: its own document, with something else put in somewhere."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from hypothesis import strategies as st

from tests.hostile.texts import any_characters

Json = object
Place = tuple[dict[str, Json] | list[Json], str | int]

leaves = st.one_of(
    any_characters,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([2**31, -(2**63), 2**64, 10**400, 1e308, -0.0, 253402300800, -62135596801]),
)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_characters, inner, max_size=3), max_leaves=6
)


def changed(document: Json) -> st.SearchStrategy[Json]:
    """With one to three of its values, at any depth, replaced by anything; or left out, or doubled."""
    edits = st.tuples(
        st.integers(0, 10_000), st.sampled_from(["replace", "replace", "replace", "drop", "repeat"]), anything
    )
    return st.lists(edits, min_size=1, max_size=3).map(lambda chosen: _edited(document, chosen))


def _edited(document: Json, edits: list[tuple[int, str, Json]]) -> Json:
    edited = copy.deepcopy(document)
    for number, how, value in edits:
        places = list(_places(edited))
        if places:
            _edit(*places[number % len(places)], how, value)
    return edited


def _edit(holder: dict[str, Json] | list[Json], name: str | int, how: str, value: Json) -> None:
    if how == "drop":
        del holder[name]  # type: ignore[arg-type]  # of the holder's kind
    elif how == "repeat" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[int(name)]))
    else:
        holder[name] = value  # type: ignore[index]


def _places(document: Json) -> Iterator[Place]:
    if isinstance(document, dict | list):
        entries = list(document.items() if isinstance(document, dict) else enumerate(document))
        for name, value in entries:
            yield document, name
            yield from _places(value)
