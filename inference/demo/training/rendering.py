"""Renders exchanges to Harmony tokens, the same ids as `render_conversation_for_completion` gives for the product's prompts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from openai_harmony import (
    Conversation,
    HarmonyEncoding,
    HarmonyEncodingName,
    Message,
    ReasoningEffort,
    Role,
    SystemContent,
    load_harmony_encoding,
)

from inference.demo.training.exchange import Effort, Exchange

RETURN, FINAL_HEADER = "<|return|>", "<|channel|>final<|message|>"
ASSISTANT = "<|start|>assistant"
UNKNOWN_MARK = "¤"  # stands for a word outside of the vocabulary in a prompt
UNKNOWN_TOKEN = 200014  # reserved in o200k_harmony, never rendered, so it gets the row of unknown tokens
_SPLIT, _SPLIT_TOKEN = "<|reserved_200013|>", 200013
_UNKNOWN = "<|reserved_200014|>"


@cache
def encoding() -> HarmonyEncoding:
    return load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)


@cache
def _system_template(effort: Effort) -> str:
    content = (
        SystemContent.new()
        .with_reasoning_effort(ReasoningEffort(effort.capitalize()))
        .with_conversation_start_date("DATE")
        .with_required_channels(["analysis", "final"])
    )
    conversation = Conversation.from_messages([Message.from_role_and_content(Role.SYSTEM, content)])
    return encoding().decode(encoding().render_conversation(conversation))


def system(effort: Effort, date: str) -> str:
    return _system_template(effort).replace("DATE", date)


def developer(instructions: str) -> str:
    return f"<|start|>developer<|message|># Instructions\n\n{_marked(instructions)}<|end|>"


def user(prompt: str) -> str:
    return f"<|start|>user<|message|>{_marked(prompt)}<|end|>"


def past_turn(prompt: str, final: str) -> str:
    """A turn of the history; the analysis of earlier turns is never sent."""
    return user(prompt) + f"{ASSISTANT}{FINAL_HEADER}{final}<|end|>"


def completion(exchange: Exchange, effort: Effort) -> str:
    """What the model writes after `<|start|>assistant`."""
    thoughts = exchange.thoughts.at(effort)
    analysis = f"<|channel|>analysis<|message|>{thoughts}<|end|>{ASSISTANT}" if thoughts else ""
    return f"{analysis}{FINAL_HEADER}{exchange.final}{RETURN}"


def _marked(text: str) -> str:
    return text.replace(" " + UNKNOWN_MARK, _UNKNOWN).replace(UNKNOWN_MARK, _UNKNOWN)


def encode_all(texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text; one call of the encoder, since a call costs about a millisecond."""
    parts: list[list[int]] = [[]]
    for token in encoding().encode(_SPLIT.join(texts), allowed_special="all"):
        if token == _SPLIT_TOKEN:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
