"""What the list says of a conversation besides its own row. Asked for a page of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import cast

from django.db.models import Count, Q, Sum

from chat.models import Conversation, Message
from chat.models.feedback import Rating


@dataclass(frozen=True, slots=True)
class Summary:
    """Of all versions together."""

    messages: int = 0
    prompt_tokens: int = 0
    thinking_tokens: int = 0
    answer_tokens: int = 0
    good: int = 0
    bad: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.thinking_tokens + self.answer_tokens


def attach(conversations: Sequence[Conversation]) -> None:
    """Give each its `summary`."""
    found = Message.objects.filter(conversation__in=[each.pk for each in conversations]).order_by()
    rows = found.values("conversation").annotate(
        all_messages=Count("pk"),
        all_prompt_tokens=Sum("prompt_tokens"),
        all_thinking_tokens=Sum("thinking_tokens"),
        all_answer_tokens=Sum("answer_tokens"),
        all_good=Count("feedback", filter=Q(feedback__rating=Rating.GOOD)),
        all_bad=Count("feedback", filter=Q(feedback__rating=Rating.BAD)),
    )
    summaries = {row["conversation"]: _summary(row) for row in rows}
    for conversation in conversations:
        conversation.summary = summaries.get(conversation.pk, Summary())  # type: ignore[attr-defined]


def of(conversation: Conversation) -> Summary:
    """As attached before."""
    summary: Summary = conversation.summary  # type: ignore[attr-defined]
    return summary


def _summary(row: Mapping[str, object]) -> Summary:
    return Summary(**{field.name: cast(int, row[f"all_{field.name}"]) for field in fields(Summary)})
