"""The model's weights, and what earlier engines left behind. Starts nothing, downloads nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from inference.engines.parent_watch import VARIABLE
from inference.weights import FILES, HUGGING_FACE_ID, IGNORED
from localai_site.doctor.finding import Finding, ok, problem, warning

PROCESSES = Path("/proc")
ENGINE_PROCESS = "VLLM::"
"""What vLLM calls its own processes."""


def weights() -> Finding | None:
    """Whether the model is at hand; None where the engine is elsewhere."""
    if settings.ENGINE == "vllm-server":
        return None
    name = str(settings.MODEL_NAME)
    if name == "demo":
        return ok("Weights", "the demo model's are part of LocalAI")
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _local(folder)
    if not HUGGING_FACE_ID.fullmatch(name):
        return problem(
            "Weights", f"there is no folder {name}", "Set MODEL_NAME to a folder, a Hugging Face id, or demo."
        )
    if downloaded(name) is None:
        fix = "Nothing, if this machine reaches huggingface.co; else copy them and set MODEL_NAME to their folder."
        return warning("Weights", f"{name} is not downloaded yet; the first start does", fix)
    return ok("Weights", f"{name} is downloaded")


def downloaded(name: str) -> Path | None:
    """The folder of a complete download; asks nobody outside."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        return Path(snapshot_download(name, allow_patterns=FILES, ignore_patterns=IGNORED, local_files_only=True))
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None


def leftovers() -> Finding:
    """Engine processes whose server has ended: they hold the memory that a new one needs."""
    orphans = [str(process) for process, owner in _engine_processes() if not _is_running(owner)]
    if orphans:
        return problem(
            "Engine processes", f"left by a server that ended: {', '.join(orphans)}", f"Run kill {' '.join(orphans)}"
        )
    return ok("Engine processes", "none is left over")


def _local(folder: Path) -> Finding:
    missing = [name for name in ("config.json", "*.safetensors") if not any(folder.glob(name))]
    if missing:
        return problem("Weights", f"{folder} holds no {missing[0]}", "Copy or download the model again.")
    return ok("Weights", str(folder))


def _engine_processes() -> Iterator[tuple[int, str]]:
    """vLLM's processes that came from LocalAI, as far as this user may see them, with their owner's process id."""
    mark = f"{VARIABLE}=".encode()
    for folder in PROCESSES.glob("[0-9]*"):
        try:
            is_engine = (folder / "comm").read_text(errors="replace").startswith(ENGINE_PROCESS)
            variables = (folder / "environ").read_bytes().split(b"\0") if is_engine else []
        except OSError:  # it ended just now, or is somebody else's
            continue
        owners = [value.removeprefix(mark).decode() for value in variables if value.startswith(mark)]
        if owners:
            yield int(folder.name), owners[0].partition(":")[0]


def _is_running(process_id: str) -> bool:
    return process_id.isdecimal() and int(process_id) != os.getpid() and (PROCESSES / process_id).is_dir()
