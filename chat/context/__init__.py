"""What the model will be told with the next prompt, and what it was told."""

from __future__ import annotations
