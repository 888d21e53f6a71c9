"""Conversations as JSON lines, one each, for evaluation and fine-tuning: nobody's name is in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from uuid import UUID

from django.utils.crypto import salted_hmac

from chat.models import Conversation, Message, Role
from chat.transfer import harmony_export
from inference import harmony

BATCH = 20
PSEUDONYM_CHARACTERS = 16

Record = dict[str, object]
Writer = Callable[[Conversation], Record]


def lines(keys: Sequence[UUID], record: Writer) -> Iterator[str]:
    """Those that are still there, a few in memory at a time; a piece of text is one or more lines."""
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        found = Conversation.objects.kept().select_related("leaf", "review").in_bulk(batch)
        loaded = [found[key] for key in batch if key in found]
        yield "".join(f"{json.dumps(record(each), ensure_ascii=False)}\n" for each in loaded)


def harmony_record(conversation: Conversation) -> Record:
    """The last answer's prompt and what was written, both as text and as token ids."""
    ids = harmony_export.token_ids(conversation)
    metadata = _metadata(conversation, conversation.path())
    return {"harmony": harmony.visible_prompt(ids), "token_ids": list(ids), "metadata": metadata}


def chat_record(conversation: Conversation) -> Record:
    path = conversation.path()
    instructions = conversation.current_instructions()
    told = [{"role": "system", "content": instructions}] if instructions.strip() else []
    messages = [*told, *(_message(message) for message in path)]
    return {"messages": messages, "metadata": _metadata(conversation, path)}


def _message(message: Message) -> Mapping[str, str]:
    said = {"role": message.role, "content": message.text}
    return said | {"reasoning": message.thinking} if message.thinking else said


def _metadata(conversation: Conversation, path: Sequence[Message]) -> Record:
    review = conversation._state.fields_cache.get("review")
    return {
        "conversation": str(conversation.pk),
        "person": pseudonym_of(conversation.owner_id),
        "title": conversation.title,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
        "flag": review.flag if review else "",
        "answers": [_answer(message) for message in path if message.role == Role.ASSISTANT],
    }


def _answer(message: Message) -> Record:
    names = ("model", "effort", "prompt_tokens", "thinking_tokens", "answer_tokens", "dropped_turns", "is_malformed")
    given = message.given_feedback
    judged = {"rating": given.rating, "note": given.note} if given else {}
    return {"outcome": message.status, **{name: getattr(message, name) for name in names}, **judged}


def pseudonym_of(owner: int) -> str:
    """The same for all of a person's conversations on this site, and nobody's name."""
    return salted_hmac("chat.review.export", str(owner)).hexdigest()[:PSEUDONYM_CHARACTERS]
