"""What administrators see of the chat; each module registers its own pages."""

from __future__ import annotations

from chat.admin import audit, conversations, invitations, parts, second_factors, users

__all__ = ["audit", "conversations", "invitations", "parts", "second_factors", "users"]
