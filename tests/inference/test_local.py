"""Starts that fail say why and what to do, and leave nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from inference.engine import Progress, Sampling
from inference.engines.arguments import engine_arguments
from inference.engines.local import LocalEngine
from inference.engines.lock import EngineLock
from inference.engines.vllm_log import VARIABLE, VllmLog
from inference.errors import EngineFailedError, EngineNotReadyError
from inference.weights import Weights

HOLDER = """
import sys
from pathlib import Path
from inference.engines.lock import EngineLock
EngineLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def logging_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what a start leaves in the environment taken back."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delenv(VARIABLE)


def make(cache_folder: Path, model: str = "demo", **engine_args: object) -> LocalEngine:
    return LocalEngine(model, 4096, engine_args, "", cache_folder)


def refused(engine: LocalEngine) -> EngineFailedError:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # vLLM's imports warn of much that is not ours
        with pytest.raises(EngineFailedError) as caught:
            engine.start(lambda _: None)
    assert "\n" not in str(caught.value)
    assert caught.value.fix
    assert not engine.is_healthy()
    return caught.value


# The lock


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    lock = EngineLock(tmp_path / "engine.lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, lock.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(EngineFailedError):
            lock.acquire()
        error = refused(make(tmp_path))
        assert error.reason == f"Another LocalAI process (pid {holder.pid}) already runs the engine on this machine."
        holder.kill()
    lock.acquire()
    assert lock.path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_the_lock_is_free_after_a_start_that_failed(tmp_path: Path) -> None:
    refused(make(tmp_path, f"{tmp_path}/nothing"))
    EngineLock(tmp_path / "engine.lock").acquire()


def test_the_lock_may_be_taken_and_left_twice(tmp_path: Path) -> None:
    lock, other = EngineLock(tmp_path / "engine.lock"), EngineLock(tmp_path / "engine.lock")
    lock.acquire()
    lock.acquire()
    with pytest.raises(EngineFailedError):
        other.acquire()
    lock.release()
    lock.release()
    other.acquire()
    other.release()


@pytest.mark.parametrize("blocker", ["cache", "cache/engine.lock"])
def test_a_cache_folder_that_cannot_be_written_is_named(tmp_path: Path, blocker: str) -> None:
    if blocker == "cache":
        (tmp_path / blocker).write_text("a file where the folder should be")
    else:
        (tmp_path / blocker).mkdir(parents=True)
    error = refused(make(tmp_path / "cache"))
    assert str(tmp_path / "cache") in error.reason
    assert "XDG_CACHE_HOME" in error.fix


# Failing starts


def test_missing_vllm_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    error = refused(make(tmp_path))
    assert "vLLM is not installed" in error.reason
    assert "requirements" in error.fix


@pytest.mark.usefixtures("logging_variable")
def test_an_unknown_engine_argument_is_named(tmp_path: Path) -> None:
    error = refused(make(tmp_path, max_modellen=5))
    assert "max_modellen" in error.reason
    assert "max_model_len" in error.fix


@pytest.mark.usefixtures("logging_variable")
def test_a_wrong_engine_argument_is_told(tmp_path: Path) -> None:
    assert "nonsense" in refused(make(tmp_path, dtype="nonsense")).reason


@pytest.mark.usefixtures("logging_variable")
def test_mxfp4_weights_on_a_cpu_without_amx_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("flags: avx512f")
    monkeypatch.setattr("inference.engines.arguments.CPU_FEATURES", tmp_path / "cpuinfo")
    configuration = {"model_type": "gpt_oss", "vocab_size": 201088, "quantization_config": {"quant_method": "mxfp4"}}
    (tmp_path / "config.json").write_text(json.dumps(configuration))
    error = refused(make(tmp_path / "cache", str(tmp_path)))
    assert "AMX" in error.reason
    assert "MODEL_NAME=demo" in error.fix


@pytest.mark.usefixtures("logging_variable")
def test_the_root_cause_comes_out_of_the_engine_s_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent is told no more than "Engine core initialization failed"."""
    before = set(psutil.Process().children(recursive=True))
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1000000")
    error = refused(make(tmp_path))
    assert "not enough memory" in error.reason
    assert "VLLM_CPU_KVCACHE_SPACE" in error.reason
    assert "max_model_len" in error.fix
    assert "EngineCore failed to start." in error.log
    assert any("VLLM_CPU_KVCACHE_SPACE" in line for line in error.log)
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [process for process in left if "EngineCore" in process.name()]


async def test_an_engine_that_was_not_started_says_so(tmp_path: Path) -> None:
    engine = make(tmp_path)
    with pytest.raises(EngineNotReadyError):
        await anext(engine.generate([1], Sampling(1), "1"))
    await engine.abort("1")
    engine.stop()
    assert not engine.is_healthy()


# Schemas


@pytest.mark.parametrize("has_tokenizer", [False, True])
def test_the_tokenizer_is_loaded_where_there_is_one(tmp_path: Path, has_tokenizer: bool) -> None:
    if has_tokenizer:
        (tmp_path / "tokenizer.json").write_text("{}")
    arguments = engine_arguments(Weights(str(tmp_path), tmp_path), tmp_path, {}, is_cpu=False)
    assert arguments["skip_tokenizer_init"] is not has_tokenizer


# vLLM's log

MULTIPROCESSING_FAILURE = """\
INFO|2026-01-01 10:00:00,000 1 vllm.config.model: Resolved architecture: GptOssForCausalLM
WARNING|2026-01-01 10:00:00,000 1 vllm.config.vllm: ValueError: not this one
ERROR|2026-01-01 10:00:01,000 3 vllm.v1.executor.multiproc_executor: WorkerProc failed to start.
Traceback (most recent call last):
  File "worker.py", line 1, in main
    load()
KeyError: 'inner'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "worker.py", line 1, in main
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB
INFO|2026-01-01 10:00:02,000 3 vllm.v1.executor.multiproc_executor: Parent process exited
ERROR|2026-01-01 10:00:03,000 2 vllm.v1.engine.core: EngineCore failed to start.
Traceback (most recent call last):
  File "core.py", line 1, in run_engine_core
Exception: WorkerProc initialization failed due to an exception in a background process.
"""


def test_the_root_cause_is_what_failed_first(tmp_path: Path) -> None:
    log = VllmLog(tmp_path / "engine.log")
    assert log.root_cause() == ""
    log.path.write_text("INFO|all is well\nValueError: in the text of a message\n")
    assert log.root_cause() == ""
    log.path.write_text(MULTIPROCESSING_FAILURE)
    assert log.root_cause() == "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"


def test_the_last_errors_are_short_and_told_once(tmp_path: Path) -> None:
    log = VllmLog(tmp_path / "engine.log")
    assert log.last_errors() == ()
    log.path.write_text(MULTIPROCESSING_FAILURE)
    told = (
        "WorkerProc failed to start.",
        "KeyError: 'inner'",
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "EngineCore failed to start.",
        "Exception: WorkerProc initialization failed due to an exception in a background process.",
    )
    assert log.last_errors() == told
    log.path.write_text(MULTIPROCESSING_FAILURE * 2 + f"CRITICAL|2026-01-01 10:00:04,000 2 vllm: {'x' * 1000}\n")
    assert log.last_errors() == (*told[1:], "x" * 200)


def test_milestones_are_reported_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.engines.vllm_log.POLL_SECONDS", 0.001)
    log = VllmLog(tmp_path / "engine.log")
    heard: list[Progress] = []
    with log.reporting(heard.append):
        log.path.write_text("INFO|Starting to load model demo...\n")
        wait_until(lambda: len(heard) == 1)
        log.path.write_text("INFO|Starting to load model demo...\nINFO|Loading weights took 0.2 seconds\n")
        wait_until(lambda: len(heard) == 2)
    assert [progress.state for progress in heard] == ["loading", "warming up"]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.usefixtures("logging_variable")
def test_the_administrator_s_own_logging_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    VllmLog(tmp_path / "engine.log").configure()
    assert os.environ[VARIABLE] == str(tmp_path / "engine.json")
    VllmLog(tmp_path / "other" / "engine.log").configure()
    assert os.environ[VARIABLE] == str(tmp_path / "other" / "engine.json")
    monkeypatch.setenv(VARIABLE, "/etc/vllm/logging.json")
    VllmLog(tmp_path / "engine.log").configure()
    assert os.environ[VARIABLE] == "/etc/vllm/logging.json"
