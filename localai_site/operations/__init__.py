"""What keeps the database safe: backups, restoring them, migrations that were cut off, and what is old."""

from __future__ import annotations
