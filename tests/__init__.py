"""The tests, and programs beside them (`python -m tests.soak`): all see the settings of `test.env`, nobody's own."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "localai_site.settings")
os.environ.setdefault("LOCALAI_ENV_FILE", str(Path(__file__).parent / "test.env"))
