"""A conversation exactly as the model was told it, control tokens spelled out."""

from __future__ import annotations

from django.utils import timezone

from chat import turns
from chat.models import Conversation, Message, Role, TokenIdsField
from inference import harmony
from inference.messages import Effort

UNLIMITED_TOKENS = 10**9


def write(conversation: Conversation) -> str:
    """From the tokens of the last answer where they are kept, else rendered as it would be sent now."""
    last = conversation.leaf
    if last and last.role == Role.ASSISTANT and last.prompt_token_ids:
        ids = TokenIdsField.unpack(last.prompt_token_ids) + TokenIdsField.unpack(last.token_ids)
        return harmony.visible_prompt(ids) + "\n"
    return _rendered(conversation) + "\n"


def _rendered(conversation: Conversation) -> str:
    path = conversation.path()
    answer = path[-1] if path and path[-1].role == Role.ASSISTANT else None
    prompts = [message for message in path if message.role == Role.USER and message.text.strip()]
    if not prompts:
        return ""
    asked = prompts[-1]
    prompt = harmony.render(
        asked.text,
        history=turns.History(conversation, asked.parent_id),
        effort=Effort((answer.effort if answer else "") or conversation.current_effort()),
        instructions=conversation.current_instructions(),
        today=timezone.localdate(asked.created_at),
        max_tokens=UNLIMITED_TOKENS,
    )
    return harmony.visible_prompt(prompt.token_ids) + (_written(answer) if answer else "")


def _written(answer: Message) -> str:
    """As the model writes it: the thinking, if there is some, and the answer."""
    thinking = f"<|channel|>analysis<|message|>{answer.thinking}<|end|><|start|>assistant" if answer.thinking else ""
    return f"{thinking}<|channel|>final<|message|>{answer.text}<|return|>"
