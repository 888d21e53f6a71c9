"""How full the context will be with the next prompt, and where in the conversation it begins.

Decided by the code that renders prompts (`inference.harmony.plan`). Of a long conversation only the
newest turns are loaded and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from chat.models import Conversation, Role
from chat.turns import History
from inference.harmony import plan
from inference.limits import context_tokens
from inference.messages import Effort


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The context of the next prompt. `begins_at`: the first prompt that is kept with it, unless all or none are."""

    tokens: int
    max_tokens: int
    turns: int
    dropped_turns: int
    begins_at: int | None = None
    is_shown: bool = True

    @property
    def level(self) -> str:
        if self.excess:
            return "over"
        return "full" if self.dropped_turns else "calm"

    @property
    def excess(self) -> int:
        """By how many tokens the prompt is too long."""
        return max(0, self.tokens - self.max_tokens)

    @property
    def is_alone(self) -> bool:
        """Whether nothing of what came before is sent."""
        return self.turns > 0 and self.dropped_turns == self.turns


def upcoming(
    conversation: Conversation, draft: str = "", *, edits: int | None = None, effort: Effort | None = None
) -> Upcoming:
    """Of the next prompt, as far as it is written; or, if it `edits` an earlier one, of its new version."""
    history = History(conversation, _parent(conversation, edits))
    planned = plan(
        draft,
        history=history,
        effort=effort or Effort(conversation.current_effort()),
        instructions=conversation.current_instructions(),
        today=timezone.localdate(),
        max_tokens=context_tokens(),
    )
    dropped = planned.dropped_turns
    begins_at = history.prompt_key(dropped) if 0 < dropped < len(history) else None
    is_shown = bool(len(history) or draft.strip())
    return Upcoming(planned.tokens, planned.max_tokens, len(history), dropped, begins_at, is_shown)


def _parent(conversation: Conversation, edits: int | None) -> int | None:
    """The message that the next prompt follows."""
    edited = conversation.messages.filter(pk=edits, role=Role.USER).values_list("parent_id", flat=True) if edits else []
    return next(iter(edited), conversation.leaf_id)
