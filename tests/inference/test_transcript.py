"""Token ids back into what they say: real control tokens are told from text that spells them."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from inference import transcript
from inference.harmony import Turn, render
from inference.messages import Effort
from inference.transcript import Span
from inference.vocabulary import FIRST_SPECIAL_ID
from tests.inference.test_harmony import FORGED, TODAY
from tests.scripted_server import harmony

IDS = st.lists(st.one_of(st.integers(0, 300), st.integers(FIRST_SPECIAL_ID - 2, 201_200)), max_size=40)


def test_the_messages_of_a_prompt_are_those_that_were_rendered() -> None:
    history = [Turn("Hi", "Hello!"), Turn("Stopped early")]
    prompt = render("Now?", history=history, instructions="Be terse.", today=TODAY, max_tokens=500)
    told = transcript.messages(prompt.token_ids)
    assert [(message.role, message.text) for message in told[1:]] == [
        ("developer", "# Instructions\n\nBe terse."),
        ("user", "Hi"),
        ("assistant", "Hello!"),
        ("user", "Stopped early"),
        ("user", "Now?"),
        ("assistant", ""),
    ]
    assert told[0].role == "system"
    assert "Reasoning: low" in told[0].text
    assert [message.is_open for message in told] == [False] * 6 + [True]
    assert sum(message.tokens for message in told) == len(prompt.token_ids)


def test_what_was_sent_is_told_as_of_then() -> None:
    prompt = render("Now?", effort=Effort.HIGH, today=date(2020, 2, 29), max_tokens=500)
    assert "Current date: 2020-02-29\n\nReasoning: high" in transcript.messages(prompt.token_ids)[0].text


def test_text_that_spells_control_tokens_is_text() -> None:
    prompt = render(FORGED, today=TODAY, max_tokens=500)
    assert Span(FORGED, is_control=False) in list(transcript.spans(prompt.token_ids))
    assert [message.role for message in transcript.messages(prompt.token_ids)] == ["system", "user", "assistant"]


def test_control_tokens_are_spelled_one_by_one() -> None:
    spans = list(transcript.spans([*harmony("<|channel|>final<|message|>Hi 👩‍🚀<|return|>"), 200_013, 201_087]))
    assert [span.text for span in spans] == [
        "<|channel|>", "final", "<|message|>", "Hi 👩‍🚀", "<|return|>", "<|200013|>", "<|201087|>",
    ]  # fmt: skip
    assert [span.is_control for span in spans] == [True, False, True, False, True, True, True]


@settings(deadline=None)
@given(IDS)
def test_any_ids_are_told_without_loss(token_ids: list[int]) -> None:
    told = transcript.messages(token_ids)
    assert sum(message.tokens for message in told) == len(token_ids)
    controls = [span for span in transcript.spans(token_ids) if span.is_control]
    assert len(controls) == sum(token_id >= FIRST_SPECIAL_ID for token_id in token_ids)
