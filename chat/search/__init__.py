"""Finding prompts, answers, thinking and titles again, by SQLite's or PostgreSQL's full-text search."""

from __future__ import annotations
