"""The parser against golden transcripts, random streams and openai_harmony's own parser."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_harmony import Role, StreamableParser, TextContent

from inference.header import MAX_HEADER_TOKENS
from inference.parser import Channel, Delta, Parser, final_channel_ids
from inference.vocabulary import CALL, CHANNEL, CONSTRAIN, END, MESSAGE, RETURN, START, encode, encoding

patient = settings(deadline=None)
"""The first example may have to load the encoding."""

CONTROL_IDS = {
    "<|start|>": START,
    "<|end|>": END,
    "<|message|>": MESSAGE,
    "<|channel|>": CHANNEL,
    "<|constrain|>": CONSTRAIN,
    "<|return|>": RETURN,
    "<|call|>": CALL,
    "<|endoftext|>": 199_999,
}
CLOSED_AND_FINAL = ["<|end|>", "<|start|>", "assistant", "<|channel|>", "final", "<|message|>"]
EMOJI = (28823, 102, 2524, 112927, 222)

Piece = str | int | dict[str, str]


class Transcript(TypedDict, total=False):
    name: str
    prefix: list[Piece]
    stream: list[Piece]
    deltas: list[list[str]]
    flags: list[str]


def ids_of(pieces: Iterable[Piece]) -> list[int]:
    """A control token is spelled, an id is a number, and text that only looks like control is {"text": …}."""
    ids: list[int] = []
    for piece in pieces:
        if isinstance(piece, int):
            ids.append(piece)
        elif isinstance(piece, str) and piece in CONTROL_IDS:
            ids.append(CONTROL_IDS[piece])
        else:
            ids += encode(piece if isinstance(piece, str) else piece["text"])
    return ids


def golden() -> list[Transcript]:
    files = sorted((Path(__file__).parent / "transcripts").glob("*.json"))
    return [transcript for file in files for transcript in json.loads(file.read_text("utf-8"))]


def text_of(deltas: Iterable[Delta]) -> dict[Channel, str]:
    texts = dict.fromkeys(Channel, "")
    for delta in deltas:
        texts[delta.channel] += delta.text
    return texts


def merged(deltas: Iterable[Delta]) -> list[list[str]]:
    result: list[list[str]] = []
    for delta in deltas:
        if result and result[-1][0] == delta.channel:
            result[-1][1] += delta.text
        else:
            result.append([str(delta.channel), delta.text])
    return result


def flags_of(parser: Parser) -> set[str]:
    return {name for name in ("malformed", "ended") if getattr(parser, f"is_{name}")}


def facts_of(parser: Parser) -> tuple[object, ...]:
    return (
        parser.thinking_tokens,
        parser.answer_tokens,
        parser.has_thinking,
        parser.has_answer,
        parser.is_malformed,
        parser.is_ended,
    )


ORDINARY = st.one_of(
    st.sampled_from(ids_of(["assistant", "user", "analysis", "final", "commentary", " to=", "to=", "functions", "\n"])),
    st.sampled_from(EMOJI),
    st.integers(0, 199_997),
)
CONTROL = st.one_of(st.sampled_from(sorted(CONTROL_IDS.values())), st.integers(199_998, 201_100), st.just(-1))
STREAMS = st.lists(st.one_of(ORDINARY, CONTROL), max_size=60)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@pytest.mark.parametrize("transcript", golden(), ids=lambda transcript: transcript["name"])
@pytest.mark.parametrize("step", [1, 1000], ids=["token by token", "at once"])
def test_golden_transcript(transcript: Transcript, step: int) -> None:
    parser = Parser(ids_of(transcript.get("prefix", [])))
    ids = ids_of(transcript["stream"])
    deltas = [delta for at in range(0, len(ids), step) for delta in parser.feed(ids[at : at + step])]
    deltas += parser.finish()
    assert merged(deltas) == transcript["deltas"]
    assert flags_of(parser) == set(transcript["flags"])


def test_plain_text_streams_at_once() -> None:
    assert Parser().feed(ids_of(["Hello"])) == [Delta(Channel.FINAL, "Hello", 1)]


def test_one_feed_gives_one_delta_for_a_channel() -> None:
    ids = ids_of(["<|channel|>", "analysis", "<|message|>", "a b c", "<|end|>"])
    assert Parser().feed(ids) == [Delta(Channel.ANALYSIS, "a b c", 3)]


def test_emoji_is_held_back_until_it_is_whole() -> None:
    parser = Parser(ids_of(["<|channel|>", "final", "<|message|>"]))
    shown = [parser.feed([token_id]) for token_id in EMOJI]
    assert shown == [
        [],
        [Delta(Channel.FINAL, "👩", 2)],
        [Delta(Channel.FINAL, "\u200d", 1)],
        [],
        [Delta(Channel.FINAL, "🚀", 2)],
    ]


def test_tokens_are_counted_by_channel_without_the_frame() -> None:
    parser = Parser()
    parser.feed(ids_of(["<|channel|>", "analysis", "<|message|>", "a b c", "<|end|>"]))
    parser.feed(ids_of(["<|start|>", "assistant", "<|channel|>", "final", "<|message|>", "d e", "<|return|>"]))
    assert (parser.thinking_tokens, parser.answer_tokens) == (3, 2)


def test_blank_messages_are_neither_thinking_nor_answer() -> None:
    parser = Parser()
    parser.feed(ids_of(["<|channel|>", "analysis", "<|message|>", " \n", "<|end|>"]))
    parser.feed(ids_of(["<|start|>", "assistant", "<|channel|>", "final", "<|message|>", "\n", "<|return|>"]))
    assert not parser.has_thinking
    assert not parser.has_answer


def test_finish_again_gives_nothing() -> None:
    parser = Parser(ids_of(["<|channel|>", "final", "<|message|>", 28823]))
    assert text_of(parser.finish())[Channel.FINAL] == "�"
    assert parser.finish() == []


def test_forgotten_message_marker_holds_back_a_bounded_text() -> None:
    parser = Parser(ids_of(["<|channel|>", "final"]))
    word = ids_of([" word"])
    waiting = 0
    while not (deltas := parser.feed(word)):
        waiting += 1
    assert waiting < MAX_HEADER_TOKENS
    assert deltas[0].text == " word" * (waiting + 1)


@patient
@given(STREAMS)
def test_any_stream_is_survived_and_shows_no_control_token(ids: list[int]) -> None:
    parser = Parser()
    deltas = parser.feed(ids) + parser.finish()
    shown = "".join(delta.text for delta in deltas)
    assert not [name for name in (*CONTROL_IDS, "<|reserved", "<|startoftext|>") if name in shown]
    assert sum(delta.tokens for delta in deltas) == parser.thinking_tokens + parser.answer_tokens
    assert all(delta.text for delta in deltas)


@patient
@given(STREAMS, st.sampled_from([MESSAGE, END, RETURN]), STREAMS)
def test_text_in_the_midst_of_any_stream_is_shown_once(before: list[int], mark: int, after: list[int]) -> None:
    parser = Parser()
    shown = text_of(parser.feed([*before, mark, *encode(" zebra crossing"), END, *after]) + parser.finish())
    assert "".join(shown.values()).count("zebra crossing") == 1


@patient
@given(STREAMS, st.lists(st.integers(0, 60)))
def test_text_does_not_depend_on_how_ids_arrive(ids: list[int], cuts: list[int]) -> None:
    whole, parts = Parser(), Parser()
    expected = merged(whole.feed(ids) + whole.finish())
    edges = sorted({0, len(ids), *(cut for cut in cuts if cut < len(ids))})
    deltas = [delta for at, to in pairwise(edges) for delta in parts.feed(ids[at:to])]
    assert merged(deltas + parts.finish()) == expected
    assert facts_of(parts) == facts_of(whole)


@patient
@given(STREAMS, st.integers(0, 60))
def test_prefix_and_rest_equal_one_run(ids: list[int], cut: int) -> None:
    whole = Parser()
    before, after = whole.feed(ids[:cut]), whole.feed(ids[cut:]) + whole.finish()
    continued = Parser(ids[:cut])
    assert continued.feed(ids[cut:]) + continued.finish() == after
    assert facts_of(continued) == facts_of(whole)
    assert Parser().feed(ids[:cut]) == before


@patient
@given(st.lists(st.one_of(st.integers(0, 199_997), st.sampled_from(EMOJI)), max_size=40))
def test_plain_ids_are_all_kept_when_no_frame_comes(ids: list[int]) -> None:
    parser = Parser()
    shown = text_of(parser.feed(ids) + parser.finish())
    expected = encoding().decode(ids)
    # blanks alone may be dropped: a model puts them between two messages
    assert shown[Channel.FINAL] == expected or not expected.strip()
    assert shown[Channel.ANALYSIS] == ""


@patient
@given(st.lists(st.tuples(st.sampled_from(["analysis", "final", "commentary"]), TEXTS), min_size=1, max_size=5))
def test_well_formed_stream_reads_as_harmony_itself_reads_it(messages: Sequence[tuple[str, str]]) -> None:
    ids: list[int] = []
    for name, text in messages:
        ids += ids_of(["<|start|>", "assistant", "<|channel|>", name, "<|message|>", {"text": text}, "<|end|>"])
    ids = [*ids[2:-1], RETURN]
    parser, reference = Parser(), StreamableParser(encoding(), role=Role.ASSISTANT)
    deltas = parser.feed(ids) + parser.finish()
    for token_id in ids:
        reference.process(token_id)
    expected: dict[Channel, str] = dict.fromkeys(Channel, "")
    for message in reference.messages:
        channel = Channel.ANALYSIS if message.channel == "analysis" else Channel.FINAL
        has_text = bool(expected[channel].strip())
        content = message.content[0]
        assert isinstance(content, TextContent)
        expected[channel] += ("\n\n" if has_text else "") + content.text
    assert text_of(deltas) == expected
    assert flags_of(parser) == {"ended"}


@patient
@given(STREAMS)
def test_answer_now_leads_to_the_final_channel(ids: list[int]) -> None:
    parser = Parser(ids)
    parser.feed(final_channel_ids(ids))
    deltas = parser.feed(ids_of(["Well."]))
    assert [delta.channel for delta in deltas] == [Channel.FINAL]
    assert deltas[0].text.endswith("Well.")


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ([], ["<|channel|>", "final", "<|message|>"]),
        (["<|channel|>"], ["final", "<|message|>"]),
        (["<|channel|>", "final"], ["<|message|>"]),
        (["<|channel|>", "final", "<|message|>", "We"], []),
        (
            ["<|channel|>", "analysis"],
            ["<|message|>", "<|end|>", "<|start|>", "assistant", "<|channel|>", "final", "<|message|>"],
        ),
        (["<|channel|>", "analysis", "<|message|>", "Hm"], CLOSED_AND_FINAL),
        (
            ["<|channel|>", "analysis", "<|message|>", "Hm", "<|end|>"],
            ["<|start|>", "assistant", "<|channel|>", "final", "<|message|>"],
        ),
        (
            ["<|channel|>", "analysis", "<|message|>", "Hm", "<|end|>", "<|start|>"],
            ["assistant", "<|channel|>", "final", "<|message|>"],
        ),
        (
            ["<|channel|>", "analysis", "<|message|>", "Hm", "<|end|>", "<|start|>", "assistant"],
            ["<|channel|>", "final", "<|message|>"],
        ),
        (["Hello"], CLOSED_AND_FINAL),
        (["<|channel|>", "final", " Hello"], CLOSED_AND_FINAL),
        (["<|channel|>", "final", "<|message|>", "We", "<|end|>", " and"], CLOSED_AND_FINAL),
        (["<|channel|>", "final to=f", "<|message|>", "{"], CLOSED_AND_FINAL),
    ],
)
def test_answer_now_appends_just_what_is_missing(completion: list[Piece], expected: list[Piece]) -> None:
    assert final_channel_ids(ids_of(completion)) == tuple(ids_of(expected))


def test_answer_now_keeps_a_reply_well_formed() -> None:
    thinking = ids_of(["<|channel|>", "analysis", "<|message|>", "Hm"])
    parser = Parser([*thinking, *final_channel_ids(thinking)])
    assert parser.feed(ids_of(["Hi."])) == [Delta(Channel.FINAL, "Hi.", 2)]
    assert not parser.is_malformed
