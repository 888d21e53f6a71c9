"""An answer's Markdown as HTML that is safe to show: the whole of it (document), or as it grows (stream)."""

from __future__ import annotations
