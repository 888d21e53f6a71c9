"""What the web process, its engine's processes and the graphics cards use of the machine's memory."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROCESSES = Path("/proc")
ANSWER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes; `total` is None where it has no limit of its own."""

    name: str
    used: int
    total: int | None = None


def web_process() -> int:
    """Bytes that it holds in memory; 0 where the system does not tell."""
    return _resident(os.getpid())


def engine_processes() -> list[Use]:
    """Those that this process started, for example vLLM's EngineCore."""
    processes = [(pid, _name(pid)) for pid in _descendants(os.getpid())]
    uses = [Use(f"{name} ({pid})", _resident(pid)) for pid, name in processes if name.startswith("VLLM")]
    return [use for use in uses if use.used]  # one that has ended holds nothing


def graphics_cards() -> list[Use]:
    """As the NVIDIA driver tells; none without one."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=name,memory.used,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):  # the driver: it may hang
        return []
    rows = [line.rsplit(",", 2) for line in told.stdout.splitlines()]
    return [
        Use(row[0].strip(), int(row[1]) << 20, int(row[2]) << 20)
        for row in rows
        if len(row) == 3 and row[1].strip().isdecimal() and row[2].strip().isdecimal()
    ]


def _descendants(pid: int) -> list[int]:
    children = [
        int(child) for tasks in (PROCESSES / str(pid)).glob("task/*/children") for child in _text(tasks).split()
    ]
    return [each for child in children for each in (child, *_descendants(child))]


def _name(pid: int) -> str:
    return _text(PROCESSES / str(pid) / "comm").strip()


def _resident(pid: int) -> int:
    fields = _text(PROCESSES / str(pid) / "statm").split()
    return int(fields[1]) * resource.getpagesize() if len(fields) > 1 else 0


def _text(path: Path) -> str:
    """Empty for a process that is gone, or on a system without /proc."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
