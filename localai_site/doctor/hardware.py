"""What the model runs on: the graphics card, or processor and memory."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from localai_site.doctor.finding import Finding, ok, problem, warning
from localai_site.hardware import ANSWER_SECONDS

GIB = 2**30
OLDEST_CAPABILITY = 8.0
GPU_MIB = {"openai/gpt-oss-20b": 14_000, "openai/gpt-oss-120b": 65_000}
"""Weights and a little context, from the models' dimensions."""
DEMO_GIB, AMX_GIB, NO_AMX_GIB = 3, 20, 42
QUERY = "name,memory.total,memory.free,driver_version,compute_cap"
CPU_INFO, MEMORY_INFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Card:
    """Memory in MiB."""

    name: str
    total: int
    free: int
    driver: str
    capability: float

    def __str__(self) -> str:
        return f"{self.name}, {self.free:,} of {self.total:,} MiB free, driver {self.driver}"


def gpu() -> Finding | None:
    """The largest card; None where the engine is elsewhere."""
    if settings.ENGINE == "vllm-server":
        return None
    found = cards()
    if isinstance(found, str):
        return _without_gpu(found)
    card = max(found, key=lambda card: card.total)
    needed = GPU_MIB.get(settings.MODEL_NAME, 0)
    total = sum(each.total for each in found)
    if card.capability < OLDEST_CAPABILITY:
        fix = "gpt-oss needs 8.0 or newer (Ampere): use another card, or ENGINE=vllm-server."
        return problem("GPU", f"{card} has compute capability {card.capability}", fix)
    if total < needed:
        fix = "Use a smaller model, or ENGINE=vllm-server with a larger machine."
        return problem("GPU", f"{settings.MODEL_NAME} needs about {needed:,} MiB; {card}", fix)
    if sum(each.free for each in found) < needed:
        fix = "If that is not LocalAI's own engine, end what uses it: nvidia-smi lists it."
        return warning("GPU", f"{settings.MODEL_NAME} needs about {needed:,} MiB; {card}", fix)
    return ok("GPU", f"{len(found)} × {card}" if len(found) > 1 else str(card))


def cards() -> list[Card] | str:
    """The cards that the driver lists, or why there are none."""
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    except FileNotFoundError:
        return "there is no nvidia-smi"
    except (OSError, subprocess.TimeoutExpired):
        return "nvidia-smi does not answer"
    if done.returncode:
        return (done.stdout + done.stderr).strip().splitlines()[0] if (done.stdout + done.stderr).strip() else "no card"
    try:
        return [_card(line) for line in done.stdout.strip().splitlines()] or "nvidia-smi lists no card"
    except ValueError:
        return "nvidia-smi says something else than expected"


def cpu() -> Finding | None:
    """None where the model does not run on it."""
    if settings.ENGINE == "vllm-server" or not isinstance(cards(), str):
        return None
    flags = cpu_flags()
    features = [name for name in ("amx_tile", "avx512f", "avx2") if name in flags]
    if flags and not features:
        fix = "vLLM's builds need AVX2 or AVX-512: use another machine, or ENGINE=vllm-server."
        return problem("Processor", "has neither AVX-512 nor AVX2", fix)
    if settings.MODEL_NAME != "demo" and "amx_tile" not in flags:
        fix = "Expect it to be slow, or not to load; set MODEL_NAME=demo, use an NVIDIA GPU, or ENGINE=vllm-server."
        return warning("Processor", "has no AMX, on which gpt-oss runs without a GPU", fix)
    return ok("Processor", ", ".join(features) or "its features are not known")


def memory() -> Finding | None:
    """What vLLM on the processor needs; None where the model does not run on it."""
    available = available_memory()
    if settings.ENGINE == "vllm-server" or not isinstance(cards(), str) or available is None:
        return None
    amount = f"{available / GIB:.1f} GiB available"
    needed = DEMO_GIB if settings.MODEL_NAME == "demo" else AMX_GIB if "amx_tile" in cpu_flags() else NO_AMX_GIB
    if available < needed * GIB:
        fix = "If that is not LocalAI's own engine, end other programs, or use a machine with more memory."
        return warning("Memory", f"{amount}; {settings.MODEL_NAME} needs about {needed} GiB without a GPU", fix)
    return ok("Memory", amount)


def cpu_flags() -> set[str]:
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.is_file() else []
    return {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}


def available_memory() -> int | None:
    """In bytes; a container's own limit counts."""
    lines = MEMORY_INFO.read_text(encoding="utf-8").splitlines() if MEMORY_INFO.is_file() else []
    values = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    limit = CGROUP_LIMIT.read_text(encoding="utf-8").strip() if CGROUP_LIMIT.is_file() else "max"
    return min([*values, *([int(limit)] if limit.isdecimal() else [])], default=None)


def _without_gpu(reason: str) -> Finding:
    if settings.MODEL_NAME == "demo":
        return ok("GPU", f"none ({reason}); the demo model needs none")
    fix = "Install NVIDIA's driver, or set MODEL_NAME=demo, or ENGINE=vllm-server."
    return warning("GPU", f"none ({reason}); {settings.MODEL_NAME} will run on the processor", fix)


def _card(line: str) -> Card:
    """Raises ValueError."""
    name, total, free, driver, capability = (value.strip() for value in line.rsplit(",", 4))
    return Card(name, int(total), int(free), driver, float(capability))
