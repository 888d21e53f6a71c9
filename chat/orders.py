"""What a person can order of the model: ask, edit, regenerate, continue, answer now.

Each order knows what it asks of the engine (`request`), and what it saves as the answer begins
(`begin`). Synchronous; knows nothing of running replies or pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat import recovery, room, turns
from chat.models import Conversation, Message, Role, Status, TokenIdsField
from inference.errors import BusyError, InferenceError
from inference.generation import Generation
from inference.harmony import RenderedPrompt, Turn
from inference.limits import longest_answer_tokens
from inference.messages import Effort
from inference.request import Continuation, Facts, Request


class OrderError(InferenceError):
    """The order does not fit to what is saved."""


class AlreadySavedError(OrderError):
    """This very prompt was sent before, and saved."""

    def __init__(self) -> None:
        super().__init__(_("This prompt was saved already."))


class StillAnsweringError(BusyError):
    """One answer at a time in a conversation, whatever the gate's width."""

    def __init__(self) -> None:
        super().__init__()
        self.args = (_("The model is busy with an answer in this conversation. Stop it, or wait: your text is kept."),)


class Order(Protocol):
    def request(self, conversation: Conversation) -> Request | Continuation:
        """What is asked of the engine, from the conversation as it is now. Raises OrderError."""

    def begin(self, seen: Conversation, generation: Generation) -> Message:
        """Save the running answer in one transaction; it becomes the conversation's leaf.

        Raises OrderError if the conversation has changed since it was `seen`, BusyError if an answer runs in it.
        """


@dataclass(frozen=True, slots=True)
class Ask:
    """A new prompt: at the end, or as another version of the prompt that it `edits`.

    Without an effort it is the conversation's. One `key` is taken once in a conversation, however often it is sent.
    """

    prompt: str
    effort: Effort | None
    key: str = ""
    edits: int | None = None

    def request(self, conversation: Conversation) -> Request:
        conversation.refresh_from_db()
        self._free_key(conversation)
        room.check(conversation.owner_id, conversations=0 if conversation.leaf_id else 1)
        parent = self._parent(conversation)
        history = turns.History(conversation, parent).all()
        return _request(conversation, self.prompt, history, self._effort(conversation))

    def begin(self, seen: Conversation, generation: Generation) -> Message:
        with _locked(seen) as conversation:
            key = self._free_key(conversation)
            parent = self._parent(conversation)
            asked = conversation.messages.create(parent_id=parent, role=Role.USER, text=self.prompt, key=key)
            conversation.title = conversation.title or turns.title_of(self.prompt)
            return turns.begin_answer(conversation, asked, self._effort(conversation), generation)

    def _free_key(self, conversation: Conversation) -> str:
        """The key, or none if another prompt has it already; raises AlreadySavedError if this very prompt has."""
        saved = conversation.messages.filter(key=self.key).first() if self.key else None
        if saved is None:
            return self.key
        is_same_place = self.edits is None or saved.parent_id == self._parent(conversation)
        if saved.text == self.prompt and is_same_place:
            raise AlreadySavedError
        return ""

    def _effort(self, conversation: Conversation) -> Effort:
        return self.effort or Effort(conversation.current_effort())

    def _parent(self, conversation: Conversation) -> int | None:
        if self.edits is None:
            return conversation.leaf_id
        return message_of(conversation, self.edits, Role.USER).parent_id


@dataclass(frozen=True, slots=True)
class Regenerate:
    """Another version of an answer, perhaps with another effort."""

    message: int
    effort: Effort | None = None

    def request(self, conversation: Conversation) -> Request:
        conversation.refresh_from_db()
        room.check(conversation.owner_id, messages=1)
        asked, old = self._asked(conversation)
        history = turns.History(conversation, asked.parent_id).all()
        return _request(conversation, asked.text, history, self._effort(conversation, old))

    def begin(self, seen: Conversation, generation: Generation) -> Message:
        with _locked(seen) as conversation:
            asked, old = self._asked(conversation)
            return turns.begin_answer(conversation, asked, self._effort(conversation, old), generation)

    def _asked(self, conversation: Conversation) -> tuple[Message, Message]:
        old = message_of(conversation, self.message, Role.ASSISTANT)
        if old.parent is None:
            raise OrderError(_("This answer has no prompt."))
        return old.parent, old

    def _effort(self, conversation: Conversation, old: Message) -> Effort:
        """As asked for, else as it was; an answer from elsewhere may have none."""
        return self.effort or Effort(old.effort or conversation.current_effort())


@dataclass(frozen=True, slots=True)
class Continue:
    """The last answer goes on from its exact tokens; with `answers_now` its thinking ends there."""

    message: int
    answers_now: bool = False

    def request(self, conversation: Conversation) -> Continuation:
        conversation.refresh_from_db()
        answer = self._answer(conversation)
        facts = Facts(**{name: getattr(answer, name) for name in turns.FACTS})
        facts.total_seconds = facts.total_seconds or 0.0
        prompt = RenderedPrompt(tuple(TokenIdsField.unpack(answer.prompt_token_ids)), answer.dropped_turns)
        ids = TokenIdsField.unpack(answer.token_ids)
        return Continuation(prompt, ids, facts, self.answers_now, _max_tokens(conversation))

    def begin(self, seen: Conversation, generation: Generation) -> Message:
        with _locked(seen) as conversation:
            answer = self._answer(conversation)
            values = {"status": Status.STREAMING, "error": "", "saved_at": timezone.now(), "run": turns.new_run()}
            conversation.messages.filter(pk=answer.pk).update(**values, html="", html_version=0)
            conversation.updated_at = timezone.now()
            conversation.save(update_fields=["updated_at"])
        answer = conversation.page()[-1]
        answer.thinking = answer.text = ""  # the generation says again what there is
        return answer

    def _answer(self, conversation: Conversation) -> Message:
        answer = message_of(conversation, self.message, Role.ASSISTANT)
        if answer.pk != conversation.leaf_id:
            raise OrderError(_("Only the last answer can go on. Regenerate this one, or ask again."))
        if answer.is_streaming:
            raise StillAnsweringError
        is_offered = answer.can_answer_now if self.answers_now else answer.can_continue
        if not (is_offered and answer.prompt_token_ids and answer.token_ids):  # an imported answer may have no tokens
            raise OrderError(_("There is nothing to go on from in this answer. Regenerate it."))
        return answer


def _request(conversation: Conversation, prompt: str, history: Sequence[Turn], effort: Effort) -> Request:
    """With the conversation's instructions and length."""
    return Request(
        prompt,
        timezone.localdate(),
        history,
        effort=effort,
        instructions=conversation.current_instructions(),
        max_tokens=_max_tokens(conversation),
    )


def _max_tokens(conversation: Conversation) -> int:
    """Never more than the engine has room for, whatever was once set or imported."""
    return min(conversation.current_max_tokens(), longest_answer_tokens())


def show_version(conversation: Conversation, pk: int) -> None:
    """Show message `pk` instead of its siblings, with what followed it most recently.

    Raises OrderError, and BusyError while an answer runs in the conversation.
    """
    conversation.refresh_from_db()
    with _locked(conversation) as locked:
        message_of(locked, pk)
        newest_child = dict(locked.messages.order_by("pk").values_list("parent_id", "pk"))
        while pk in newest_child:
            pk = newest_child[pk]
        locked.leaf_id = pk
        locked.save(update_fields=["leaf"])


def message_of(conversation: Conversation, pk: int, role: Role | None = None) -> Message:
    """Raises OrderError when the conversation has no such message."""
    message = conversation.messages.filter(pk=pk).first()
    if message is None or role not in (None, message.role):
        raise OrderError(_("This message is gone. Reload the page."))
    return message


@contextmanager
def _locked(seen: Conversation) -> Iterator[Conversation]:
    """The conversation for the length of a transaction, if it is still as it was `seen`."""
    recovery.mark_abandoned()
    with transaction.atomic():
        conversation = Conversation.objects.kept().select_for_update().get(pk=seen.pk)
        leaf = conversation.leaf
        if leaf is not None and leaf.is_streaming:
            raise StillAnsweringError
        if conversation.leaf_id != seen.leaf_id:
            raise OrderError(
                _("This conversation has changed meanwhile, in another window perhaps. Look, and try again.")
            )
        yield conversation
