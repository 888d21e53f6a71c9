"""vLLM's engine arguments: what fits gpt-oss and this machine, under what the administrator says.

vLLM is imported inside functions only: it takes seconds.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.errors import EngineFailedError
from inference.weights import Weights, has_tokenizer

if TYPE_CHECKING:
    from vllm.config import VllmConfig

CPU_FEATURES = Path("/proc/cpuinfo")
SECRET = re.compile("token$|key|password|secret")


def engine_arguments(
    weights: Weights, folder: Path, engine_args: Mapping[str, object], is_cpu: bool
) -> dict[str, object]:
    """Return vLLM's engine arguments; the administrator's own win over every default."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    arguments: dict[str, object] = {
        "model": str(folder),
        "served_model_name": weights.model,
        # It is there for schemas alone; text is never made of ids in the engine.
        "skip_tokenizer_init": not has_tokenizer(folder),
        # Without a second choice for what this one does not know: `inference.schema` knows what it does.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "enable_prefix_caching": True,
    }
    if is_cpu:
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        arguments |= {"distributed_executor_backend": "uni", "enforce_eager": True}
        # A prompt prefilled in pieces and a seed together kill vLLM 0.32 on a CPU: it rewinds the
        # generator of random numbers by an offset, which the CPU's does not have.
        arguments["enable_chunked_prefill"] = False
    if is_cpu and weights.is_demo:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    return {**arguments, **engine_args}


def arguments_in_force(arguments: Mapping[str, object], configuration: VllmConfig) -> dict[str, str]:
    """What was asked for, and what vLLM chose where nothing was; whatever looks like a secret is left out."""
    model, cache = configuration.model_config, configuration.cache_config
    scheduler, parallel = configuration.scheduler_config, configuration.parallel_config
    chosen = {
        "dtype": str(model.dtype).removeprefix("torch."),
        "quantization": model.quantization,
        "max_model_len": model.max_model_len,
        "gpu_memory_utilization": cache.gpu_memory_utilization,
        "kv_cache_dtype": cache.cache_dtype,
        "block_size": cache.block_size,
        "num_gpu_blocks": cache.num_gpu_blocks,
        "max_num_seqs": scheduler.max_num_seqs,
        "max_num_batched_tokens": scheduler.max_num_batched_tokens,
        "tensor_parallel_size": parallel.tensor_parallel_size,
    }
    told = {name: "…" if SECRET.search(name) else str(value) for name, value in {**chosen, **arguments}.items()}
    return dict(sorted(told.items()))


def check_names(engine_args: Mapping[str, object]) -> None:
    """Raise EngineFailedError for a name that vLLM does not know."""
    from vllm.engine.arg_utils import AsyncEngineArgs

    known = [field.name for field in fields(AsyncEngineArgs)]
    for name in engine_args:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise EngineFailedError(
                format_lazy(_("VLLM_ENGINE_ARGS has an unknown argument {name!r}."), name=name),
                format_lazy(_("Did you mean {close!r}?"), close=close[0])
                if close
                else _("The names are those of vLLM's engine arguments."),
            )


def runs_on_cpu() -> bool:
    """Raises EngineFailedError where vLLM finds nothing to run on."""
    from vllm.platforms import current_platform

    if not current_platform.device_type:
        raise EngineFailedError(
            _("vLLM finds no GPU."), _("Check nvidia-smi; without a GPU: pip install -r requirements/cpu.txt.")
        )
    return bool(current_platform.is_cpu())


def check_cpu(configuration: Mapping[str, object]) -> None:
    """Refuse what cannot run here before gigabytes are downloaded for it. Raises EngineFailedError."""
    quantization = configuration.get("quantization_config")
    if not isinstance(quantization, dict) or quantization.get("quant_method") != "mxfp4":
        return
    if "amx_tile" not in CPU_FEATURES.read_text(encoding="utf-8"):
        raise EngineFailedError(
            _("The MXFP4 weights of gpt-oss need a GPU, or a CPU with AMX."),
            _("Set MODEL_NAME=demo, use a machine with a GPU, or a vLLM server (ENGINE=vllm-server)."),
        )
