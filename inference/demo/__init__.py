"""The demo model: a tiny gpt-oss trained from scratch, kept in `weights.safetensors`, expanded on first use.

Importing this package loads nothing heavy. `docs/demo-model.md` says what the model can do and how it
was made.
"""

from __future__ import annotations

from inference.demo.folder import materialise, materialised_bytes
from inference.demo.sampling import TEMPERATURE, TOP_P

__all__ = ["TEMPERATURE", "TOP_P", "materialise", "materialised_bytes"]
