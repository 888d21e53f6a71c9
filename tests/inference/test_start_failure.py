"""What vLLM and torch say when a start fails, and what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.engines.local import LocalEngine
from inference.engines.start_failure import start_failure
from inference.engines.vllm_log import VllmLog
from inference.errors import EngineFailedError

LONG = "Some text of the error. " * 40

MESSAGES = {
    "GPU full": (
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.20 GiB free.",
        "not enough GPU memory",
        "nvidia-smi",
    ),
    "GPU in use": (
        "ValueError: Free memory on device cuda:0 (3/16 GiB) on startup is less than desired GPU memory utilization",
        "not enough free memory",
        "gpu_memory_utilization",
    ),
    "memory in use": (
        "ValueError: Available memory on node 0 (1/7 GiB) on startup is less than desired CPU memory utilization",
        "not enough free memory",
        "gpu_memory_utilization",
    ),
    "context too large": (
        "ValueError: To serve at least one request with the model's max seq len (131072), (3 GiB KV cache is needed)",
        "not enough memory for the model's context",
        "max_model_len",
    ),
    "no room for the context": (
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        "not enough memory for the model's context",
        "max_model_len",
    ),
    "memory full": (
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory",
        "not enough memory for this model",
        "smaller model",
    ),
    "killed": (
        "RuntimeError: Engine core initialization failed. Failed core proc(s): {'EngineCore': -9}",
        "not enough memory for this model",
        "smaller model",
    ),
    "no MXFP4": (
        "NotImplementedError: No MXFP4 MoE backend supports the deployment configuration. backend: CPU",
        "cannot run the MXFP4 weights",
        "AMX",
    ),
    "an old GPU": (
        "ValueError: The quantization method mxfp4 is not supported for the current GPU. Minimum capability: 80.",
        "cannot run the MXFP4 weights",
        "8.0",
    ),
    "damaged weights": (
        "SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered",
        "missing or damaged",
        "again",
    ),
    "missing weights": (
        "FileNotFoundError: [Errno 2] No such file or directory: '/models/gpt-oss/model-00002-of-00002.safetensors'",
        "missing or damaged",
        "again",
    ),
    "disk full": ("OSError: [Errno 28] No space left on device", "disk is full", "XDG_CACHE_HOME"),
    "no compiler": (
        "RuntimeError: Failed to find C compiler. Please specify via CC environment variable.",
        "C compiler",
        "gcc",
    ),
    "old driver": (
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        "driver is too old",
        "Update",
    ),
    "anything else": (f"ValueError: {LONG}", "vLLM did not start: ValueError", "engine.log"),
    "no lack of memory": (
        "RuntimeError: CUDA error: an illegal memory access was encountered",
        "vLLM did not start",
        "engine.log",
    ),
}


@pytest.mark.parametrize(("message", "meaning", "fix"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_is_explained(message: str, meaning: str, fix: str) -> None:
    error = start_failure(message.replace(". ", ".\n"), ["EngineCore failed to start."])
    assert meaning in error.reason
    assert fix in error.fix
    assert "\n" not in str(error)
    assert len(error.reason) < 400
    assert error.log == ("EngineCore failed to start.",)


@pytest.mark.parametrize(("message", "meaning", "fix"), MESSAGES.values(), ids=MESSAGES)
def test_the_engine_s_log_decides_what_a_failed_start_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str, meaning: str, fix: str
) -> None:
    """The parent itself hears of an exit code only."""
    engine = LocalEngine("demo", 4096, {}, "", tmp_path)

    def fail(_: object) -> None:
        VllmLog(tmp_path / "engine.log").path.write_text(
            "INFO|2026-01-01 10:00:00,000 3 vllm.v1.worker: Starting to load model demo...\n"
            "ERROR|2026-01-01 10:00:01,000 3 vllm.v1.engine.core: EngineCore failed to start.\n"
            f'Traceback (most recent call last):\n  File "core.py", line 1, in run\n{message}\n'
        )
        raise RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")

    monkeypatch.setattr(engine, "_load", fail)
    with pytest.raises(EngineFailedError) as caught:
        engine.start(lambda _: None)
    assert meaning in caught.value.reason
    assert fix in caught.value.fix
    assert caught.value.log == ("EngineCore failed to start.", message[:200])
