"""Python imports this first in a process that has this folder on its PYTHONPATH: its clock is off by what a file says.

The monotonic clock goes on, as it does when a machine's clock is set. libfaketime would reach further, but holds
up Python's threads until a site answers in seconds.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

_file = Path(os.environ["LOCALAI_CLOCK"])
_true_time, _true_now = time.time, timezone.now


def _off() -> float:
    return float(_file.read_text(encoding="ascii"))


def _time() -> float:
    return _true_time() + _off()


def _now() -> datetime:
    return _true_now() + timedelta(seconds=_off())


time.time = _time
timezone.now = _now
