"""What administrators see of the chat; each module registers its own pages."""

from __future__ import annotations

from chat.admin import conversations, invitations, users

__all__ = ["conversations", "invitations", "users"]
