"""How many hostile inputs a test thinks of: the same ones each time, and more of them when asked."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("HOSTILE_TIMES", "1"))
"""`HOSTILE_TIMES=20 make test ARGS=tests/hostile` tries twenty times as many."""


def hostile(examples: int) -> settings:
    """Each goes to a running site, so none of them is slow or quick by its own fault."""
    return settings(
        max_examples=examples * TIMES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
