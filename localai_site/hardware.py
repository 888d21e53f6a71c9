"""What this machine has for a model to run on."""

from __future__ import annotations

import subprocess

ANSWER_SECONDS = 20
"""A driver that has to wake a card first needs several seconds."""


def has_nvidia_gpu() -> bool:
    """Whether the NVIDIA driver lists a card."""
    try:
        listing = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0 and "GPU" in listing.stdout
