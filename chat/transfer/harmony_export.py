"""A conversation exactly as the model was told it, control tokens spelled out."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone
from openai_harmony import Role as Author

from chat import turns
from chat.models import Conversation, Message, Role, TokenIdsField
from inference import harmony
from inference.messages import Effort, Step, assistant_start, message_ids, steps_ids
from inference.vocabulary import RETURN

UNLIMITED_TOKENS = 10**9


def write(conversation: Conversation) -> str:
    return harmony.visible_prompt(token_ids(conversation)) + "\n"


def token_ids(conversation: Conversation) -> Sequence[int]:
    """Of the last answer as they were kept, else as it would be sent now."""
    last = conversation.leaf
    if last and last.role == Role.ASSISTANT and last.prompt_token_ids:
        return TokenIdsField.unpack(last.prompt_token_ids) + TokenIdsField.unpack(last.token_ids)
    return _rendered(conversation)


def _rendered(conversation: Conversation) -> tuple[int, ...]:
    path = conversation.path()
    answer = path[-1] if path and path[-1].role == Role.ASSISTANT else None
    prompts = [message for message in path if message.role == Role.USER and message.text.strip()]
    if not prompts:
        return ()
    asked = prompts[-1]
    prompt = harmony.render(
        asked.text,
        history=turns.History(conversation, asked.parent_id),
        effort=Effort((answer.effort if answer else "") or conversation.current_effort()),
        instructions=conversation.current_instructions(),
        today=timezone.localdate(asked.created_at),
        max_tokens=UNLIMITED_TOKENS,
    )
    return prompt.token_ids + (_written(answer) if answer else ())


def _written(answer: Message) -> tuple[int, ...]:
    """As the model writes it: the thinking, if there is some, and the answer; its start is in the prompt already."""
    thinking = steps_ids([Step("thinking", answer.thinking)]) if answer.thinking else ()
    ids = thinking + message_ids(Author.ASSISTANT, answer.text)
    return (*ids[len(assistant_start()) : -1], RETURN)
