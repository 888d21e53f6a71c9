"""Saves what the photographed people have asked so far; run in the site's own shell."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from chat.models import Conversation, Feedback, Message, Preferences, Preset, Role, Status, TokenIdsField
from inference import harmony
from inference.messages import Effort
from tests.screenshots.talks import INSTRUCTIONS, MODEL, PRESETS, TALKS, TOKENS_PER_SECOND, Exchange, Talk
from tests.scripted_server import reply

FIRST_TOKEN_SECONDS = 0.31
CONTEXT_TOKENS = 2000


def save_all() -> None:
    ann = User.objects.get(username="ann")
    ann.is_staff = ann.is_superuser = True
    ann.save()
    Preferences.objects.create(user=ann, instructions=INSTRUCTIONS)
    for name, instructions in PRESETS.items():
        Preset.objects.create(owner=ann, name=name, instructions=instructions)
    for talk in TALKS:
        _save(talk)


def _save(talk: Talk) -> None:
    at = timezone.now() - timedelta(hours=talk.hours_ago)
    conversation = Conversation.objects.create(
        owner=User.objects.get(username=talk.owner),
        title=talk.title,
        is_pinned=talk.is_pinned,
        instructions=talk.instructions,
        created_at=at,
        updated_at=at,
    )
    history: list[harmony.Turn] = []
    for exchange in talk.exchanges:
        prompt = harmony.render(
            exchange.prompt,
            history=history,
            instructions=conversation.current_instructions(),
            today=at.date(),
            max_tokens=CONTEXT_TOKENS,
        )
        conversation.leaf = _save_exchange(conversation, exchange, prompt.token_ids)
        history.append(harmony.Turn(exchange.prompt, exchange.answer))
    conversation.save()


def _save_exchange(conversation: Conversation, exchange: Exchange, prompt_ids: tuple[int, ...]) -> Message:
    at = conversation.updated_at
    asked = conversation.messages.create(
        parent=conversation.leaf, role=Role.USER, text=exchange.prompt, created_at=at, saved_at=at
    )
    thinking_tokens, answer_tokens = harmony.count_tokens(exchange.thinking), harmony.count_tokens(exchange.answer)
    answer = conversation.messages.create(
        parent=asked,
        role=Role.ASSISTANT,
        status=Status.FAILED if exchange.error else Status.COMPLETE,
        text=exchange.answer,
        thinking=exchange.thinking,
        error=exchange.error,
        effort=Effort.LOW.value,
        model=MODEL,
        created_at=at,
        saved_at=at,
        prompt_tokens=len(prompt_ids),
        max_tokens=1000,
        thinking_tokens=thinking_tokens,
        answer_tokens=answer_tokens,
        first_token_seconds=FIRST_TOKEN_SECONDS,
        thinking_seconds=thinking_tokens / TOKENS_PER_SECOND,
        total_seconds=FIRST_TOKEN_SECONDS + (thinking_tokens + answer_tokens) / TOKENS_PER_SECOND,
        prompt_token_ids=TokenIdsField.pack(prompt_ids),
        token_ids=TokenIdsField.pack(reply(exchange.thinking, exchange.answer)),
    )
    if exchange.rating:
        Feedback.objects.create(message=answer, rating=exchange.rating, note=exchange.note)
    return answer
