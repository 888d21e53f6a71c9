"""Stop strings, schemas and calls, however the stream is cut."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from inference.messages import Tool
from inference.parser import Channel, Parser
from inference.reader import Reader
from inference.request import Rules
from inference.stop_strings import StopStrings
from tests.scripted_server import harmony, reply

STRICT = Tool("look", parameters={"type": "object"}, is_strict=True)
FREE = Tool("find")


@given(
    st.text("abc", max_size=30),
    st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
    st.lists(st.integers(0, 30), max_size=6),
)
def test_a_stop_string_ends_the_text_where_it_begins_however_it_is_cut(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    reader = StopStrings(stops)
    shown = "".join(reader.feed(text[start:end]) for start, end in pairwise(edges)) + reader.rest()
    ends = [text.find(stop) for stop in stops if stop in text]
    assert reader.is_found == bool(ends)
    # What is found first in time ends it; one that begins earlier may still have been incomplete then.
    assert text.startswith(shown)
    assert not any(stop in shown for stop in stops)
    assert len(shown) >= min(ends, default=len(text))


def test_nothing_is_held_back_without_need() -> None:
    reader = StopStrings(["STOP"])
    assert (reader.feed("one S"), reader.feed("even"), reader.feed(" ST"), reader.rest()) == (
        "one ",
        "Seven",
        " ",
        "ST",
    )


def test_thinking_may_say_what_stops_an_answer() -> None:
    reader = Reader(Rules(stop=("STOP",)))
    deltas = reader.read(reply("STOP here", "Go. STOP. More.")) + reader.finish()
    assert "".join(delta.text for delta in deltas if delta.channel is Channel.ANALYSIS) == "STOP here"
    assert "".join(delta.text for delta in deltas if delta.channel is Channel.FINAL) == "Go. "
    assert reader.is_stopped


def test_what_follows_the_opening_of_a_text_with_a_schema_is_not_taken() -> None:
    reader = Reader(Rules(json_schema='{"type": "object"}'))
    ids = reply("I think.", "No JSON.")
    deltas = reader.read(ids)
    assert reader.is_schema_due
    assert reader.schema == '{"type": "object"}'
    assert "".join(delta.text for delta in deltas) == "I think."
    assert reader.token_ids == harmony(
        "<|channel|>analysis<|message|>I think.<|end|><|start|>assistant<|channel|>final<|message|>"
    )
    reader.is_schema_due = False
    assert "".join(delta.text for delta in reader.read(harmony('{"a": 1}<|return|>'))) == '{"a": 1}'
    assert not reader.is_schema_due


def test_the_arguments_of_a_strict_tool_have_a_schema_and_others_none() -> None:
    for tool, is_due in ((STRICT, True), (FREE, False)):
        reader = Reader(Rules(tools=(STRICT, FREE)))
        reader.read(harmony(f'<|channel|>commentary to=functions.{tool.name} <|constrain|>json<|message|>{{"a":1}}'))
        assert reader.is_schema_due is is_due
        assert reader.schema == (json.dumps({"type": "object"}) if is_due else None)


def calls_in(text: str, tools: tuple[str, ...] = ("look",)) -> tuple[list[tuple[str, str]], str, bool]:
    """Function and arguments of each call, all other text, and whether the stream was malformed."""
    parser = Parser(tools=tools)
    deltas = [delta for token_id in harmony(text) for delta in parser.feed([token_id])] + parser.finish()
    arguments = ["".join(delta.text for delta in deltas if delta.call == index) for index in range(len(parser.calls))]
    rest = "".join(delta.text for delta in deltas if delta.call is None)
    return list(zip(parser.calls, arguments, strict=True)), rest, parser.is_malformed


def test_calls_are_read_in_both_of_harmonys_forms() -> None:
    for header in (
        "<|channel|>commentary to=functions.look <|constrain|>json",
        " to=functions.look<|channel|>commentary <|constrain|>json",
        "<|channel|>commentary to=functions.look",
        "<|channel|>commentary to=look json",
        "<|channel|>analysis to=functions.look code",
    ):
        assert calls_in(f'{header}<|message|>{{"a": "👩‍🚀"}}<|call|>') == ([("look", '{"a": "👩‍🚀"}')], "", False)


def test_two_calls_are_two() -> None:
    one = "<|channel|>commentary to=functions.look<|message|>{}<|end|><|start|>assistant"
    two = "<|channel|>commentary to=functions.other<|message|>{1}<|call|>"
    assert calls_in(one + two) == ([("look", "{}"), ("other", "{1}")], "", False)


def test_a_call_without_arguments_is_a_call() -> None:
    assert calls_in("<|channel|>commentary to=functions.look<|message|><|call|>")[0] == [("look", "")]


def test_a_preamble_is_for_the_reader() -> None:
    preamble = "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant"
    calls, rest, _malformed = calls_in(preamble + "<|channel|>commentary to=functions.look<|message|>{}<|call|>")
    assert (calls, rest) == ([("look", "{}")], "I look.")


def test_what_is_sent_to_no_function_is_thinking() -> None:
    assert calls_in("<|channel|>commentary to=browser.search<|message|>{}<|call|>")[:2] == ([], "{}")
    assert calls_in("<|channel|>commentary to=functions.look<|message|>{}<|call|>", tools=())[:2] == ([], "{}")
