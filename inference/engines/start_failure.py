"""What a failed start of vLLM means to who runs this machine, and what helps."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.errors import EngineFailedError

LONGEST_CAUSE = 300

MEANINGS = (
    (
        r"No space left on device|Disk quota exceeded",
        _("The disk is full"),
        _("Free some space, or set XDG_CACHE_HOME to a folder on a larger disk."),
    ),
    (
        r"To serve at least one request|No available memory for the cache blocks",
        _("There is not enough memory for the model's context"),
        _("Lower max_model_len in VLLM_ENGINE_ARGS, or raise gpu_memory_utilization."),
    ),
    (
        r"is less than desired [GC]PU memory utilization|is less than the engine's budget",
        _("There is not enough free memory"),
        _("Close what else uses it (nvidia-smi shows a GPU's), or lower gpu_memory_utilization in VLLM_ENGINE_ARGS."),
    ),
    (
        r"CUDA out of memory|HIP out of memory|OutOfMemoryError|ALLOC_FAILED",
        _("There is not enough GPU memory for this model"),
        _("Close what else uses it (nvidia-smi), lower max_model_len in VLLM_ENGINE_ARGS, or use a smaller model."),
    ),
    (
        r"[Nn]ot enough (\w+ )?memory|[Cc]an(no|')t allocate memory|MemoryError|KVCACHE_SPACE|'EngineCore': -9",
        _("There is not enough memory for this model"),
        _("Close what else uses the memory, lower max_model_len in VLLM_ENGINE_ARGS, or use a smaller model."),
    ),
    (
        r"No MXFP4 MoE backend|Minimum capability",
        _("This machine cannot run the MXFP4 weights of gpt-oss"),
        _(
            "They need an NVIDIA GPU of compute capability 8.0 or newer, or a CPU with AMX; "
            "MODEL_NAME=demo runs anywhere."
        ),
    ),
    (
        r"SafetensorError|Cannot find any model weights|(FileNotFoundError|No such file).*(safetensors|json)",
        _("A file of the model is missing or damaged"),
        _("Delete the model's folder, then copy or download it again."),
    ),
    (
        r"Failed to find C compiler",
        _("vLLM needs a C compiler for this GPU"),
        _("Install one, such as gcc, then retry."),
    ),
    (
        r"NVIDIA driver on your system is too old|CUDA driver version is insufficient",
        _("The NVIDIA driver is too old for this vLLM"),
        _("Update the driver; nvidia-smi shows which one runs."),
    ),
)
"""Parts of the messages of vLLM 0.32 and torch 2.13, the first that is found counts; what it means; what helps."""


def start_failure(cause: str, log: Sequence[str] = ()) -> EngineFailedError:
    """Explain the error with which vLLM gave up; `log` is shown beside it."""
    cause = " ".join(cause.split())[:LONGEST_CAUSE]
    for pattern, meaning, fix in MEANINGS:
        if re.search(pattern, cause):
            return EngineFailedError(format_lazy("{}: {}", meaning, cause), fix, log)
    return EngineFailedError(
        format_lazy(_("vLLM did not start: {cause}"), cause=cause),
        _("engine.log in LocalAI's cache folder tells more; check VLLM_ENGINE_ARGS."),
        log,
    )
