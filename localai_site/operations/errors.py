"""What a command of the people who run the site could not do."""

from __future__ import annotations


class OperationError(Exception):
    """Its text says in one line what is wrong and what to do; nothing was changed."""
