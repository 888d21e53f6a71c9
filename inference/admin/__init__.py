"""What administrators see of the engine and of what it was used for."""

from __future__ import annotations

from inference.admin import records, searching

__all__ = ["records", "searching"]
