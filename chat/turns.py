"""Turns in the database: the history that is sent, an answer's beginning, its checkpoints.

Synchronous; knows nothing of running replies or pages.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import overload

from django.utils import timezone

from chat.models import TITLE_CHARACTERS, Conversation, Message, Role, Status, TokenIdsField
from inference.generation import Generation
from inference.harmony import Turn
from inference.limits import model_name
from inference.messages import Effort

FACTS = (
    "thinking_tokens",
    "answer_tokens",
    "first_token_seconds",
    "thinking_seconds",
    "total_seconds",
    "is_malformed",
)
FIRST_TURNS = 8
"""Of a history so many are loaded at first, then as many again as there are."""


class History(Sequence[Turn]):
    """The turns down to message `to`; of answers only the final text, as Harmony wants it.

    Each is loaded when it is first looked at, best from the end; or `all` at once.
    """

    def __init__(self, conversation: Conversation, to: int | None) -> None:
        self._messages = conversation.messages
        self._turns: dict[int, Turn] = {}
        self._keys: list[list[int]] = []
        rows = self._messages.order_by("pk").values_list("pk", "parent_id", "role")
        self._group({key: (parent, role) for key, parent, role in rows}, to)

    def _group(self, rows: dict[int, tuple[int | None, str]], key: int | None) -> None:
        """Note the keys of each turn: its prompt, then its answer."""
        answers: list[int] = []
        while key in rows:
            parent, role = rows[key]
            if role == Role.USER:
                self._keys.append([key, *reversed(answers)])
                answers = []
            else:
                answers.append(key)
            key = parent
        self._keys.reverse()

    def all(self) -> list[Turn]:
        self._take(dict(self._messages.values_list("pk", "text")), 0, len(self))
        return list(self._turns.values())

    def prompt_key(self, index: int) -> int:
        return self._keys[index][0]

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Turn]: ...
    def __getitem__(self, index: int | slice) -> Turn | Sequence[Turn]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        if index not in self._turns:
            self._load(max(0, index + 1 - max(FIRST_TURNS, len(self._turns))), index + 1)
        return self._turns[index]

    def _load(self, first: int, end: int) -> None:
        keys = [key for group in self._keys[first:end] for key in group]
        self._take(dict(self._messages.filter(pk__in=keys).values_list("pk", "text")), first, end)

    def _take(self, texts: dict[int, str], first: int, end: int) -> None:
        for index in range(first, end):
            prompt, *answers = (texts.get(key, "") for key in self._keys[index])
            self._turns[index] = Turn(prompt, next(filter(None, reversed(answers)), ""))


def begin_answer(conversation: Conversation, asked: Message, effort: Effort, generation: Generation) -> Message:
    """Save the empty answer to a prompt, as the conversation's leaf; part of the order's transaction."""
    answer = conversation.messages.create(
        parent=asked,
        role=Role.ASSISTANT,
        status=Status.STREAMING,
        run=new_run(),
        effort=effort,
        model=model_name(),
        prompt_tokens=len(generation.prompt.token_ids),
        max_tokens=generation.max_tokens,
        dropped_turns=generation.prompt.dropped_turns,
        prompt_token_ids=TokenIdsField.pack(generation.prompt.token_ids),
    )
    answer.set_versions(list(asked.children.order_by("pk").values_list("pk", flat=True)))
    conversation.effort = effort
    conversation.leaf = answer
    conversation.is_archived = False
    conversation.updated_at = timezone.now()
    conversation.save(update_fields=["title", "effort", "leaf", "is_archived", "updated_at"])
    return answer


def new_run() -> str:
    """What tells one running of a message from the next."""
    return uuid.uuid4().hex


def note(message: Message, generation: Generation) -> None:
    """Take over what is known of the generation so far."""
    message.max_tokens = generation.max_tokens
    for name in FACTS:
        setattr(message, name, getattr(generation.facts, name))


def save(message: Message, token_ids: Sequence[int]) -> None:
    """Write what there is.

    Nothing is left to write to when the conversation was deleted, or another reply goes on with the message.
    """
    names = ("status", "text", "thinking", "error", "max_tokens", *FACTS)
    values = {name: getattr(message, name) for name in names}
    if not message.is_streaming:
        message.render()
        values |= {"html": message.html, "html_version": message.html_version}
    values |= {"saved_at": timezone.now(), "token_ids": TokenIdsField.pack(token_ids)}
    Message.objects.filter(pk=message.pk, run=message.run).update(**values)


def title_of(prompt: str) -> str:
    """The prompt's first line, cut at a word."""
    line = " ".join(prompt.strip().splitlines()[0].split()) if prompt.strip() else ""
    if len(line) <= TITLE_CHARACTERS:
        return line
    return line[: TITLE_CHARACTERS + 1].rsplit(" ", 1)[0][:TITLE_CHARACTERS] + "…"
