"""The engine in this process: vLLM's AsyncLLM.

vLLM is imported inside methods only: it takes seconds, and a web server must answer before.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import multiprocessing
import os
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from prometheus_client import REGISTRY

from inference.engine import (
    NEVER,
    NEVER_IN_JSON,
    STOP_TOKEN_IDS,
    EngineFacts,
    FinishReason,
    Progress,
    ProgressListener,
    Sampling,
    Tokens,
    checked_prompt,
)
from inference.engines.arguments import arguments_in_force, check_cpu, check_names, engine_arguments, runs_on_cpu
from inference.engines.exposition import exposition
from inference.engines.lock import EngineLock
from inference.engines.parent_watch import own
from inference.engines.start_failure import start_failure
from inference.engines.vllm_log import VllmLog
from inference.errors import EngineDiedError, EngineFailedError, EngineNotReadyError, PromptError, grouped
from inference.weights import Weights

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 1.0
"""What the engine's processes have between SIGTERM and SIGKILL; they hold nothing that is worth saving."""

DIED = _("The engine broke while it answered. It is being restarted.")

FINISH_REASONS: Mapping[str | None, FinishReason | None] = {None: None, "stop": "stop", "length": "length"}


class LocalEngine:
    """One vLLM engine of this process. Its first `generate` binds it to the event loop that runs then."""

    def __init__(
        self,
        model: str,
        max_model_len: int,
        engine_args: Mapping[str, object],
        hf_token: str,
        cache_folder: Path,
    ) -> None:
        self._weights = Weights(model, cache_folder, hf_token)
        self._engine_args = {"max_model_len": max_model_len, **engine_args}
        self._arguments: dict[str, object] = {}
        self._lock = EngineLock(cache_folder / "engine.lock")
        self._log = VllmLog(cache_folder / "engine.log")
        self._engine: AsyncLLM | None = None
        self._max_model_len = max_model_len
        self._takes_schema = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Lock()
        self._running: dict[str, bool] = {}
        """Request id -> whether `abort` was called for it."""

    # start and stop

    def start(self, on_progress: ProgressListener) -> EngineFacts:
        self._lock.acquire()
        try:
            self._engine = self._load(on_progress)
        except EngineFailedError:
            self._lock.release()
            raise
        except Exception as error:  # vLLM: the arguments, the memory, the hardware, or a defect
            self._lock.release()
            cause = self._log.root_cause() or f"{type(error).__name__}: {error}"
            raise start_failure(cause, self._log.last_errors()) from error
        return self._facts(self._engine)

    def _load(self, on_progress: ProgressListener) -> AsyncLLM:
        on_progress(Progress("loading", _("Starting the engine")))
        configuration = self._weights.configuration()
        self._import_vllm()
        check_names(self._engine_args)
        is_cpu = runs_on_cpu()
        if is_cpu:
            check_cpu(configuration)
        folder = self._weights.folder(on_progress)
        on_progress(Progress("loading", _("Starting the engine")))
        self._arguments = engine_arguments(self._weights, folder, self._engine_args, is_cpu)

        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        with self._log.reporting(on_progress):
            return AsyncLLM.from_engine_args(AsyncEngineArgs(**self._arguments))

    def _import_vllm(self) -> None:
        """Import vLLM for the first time, after the environment it reads while it is imported."""
        if importlib.util.find_spec("vllm") is None:
            raise EngineFailedError(
                _("vLLM is not installed."),
                _("`make run` installs it; or: pip install -r requirements/gpu.txt (without a GPU: cpu.txt)."),
            )
        self._log.configure()
        own()
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("DO_NOT_TRACK", "1")
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        importlib.import_module("vllm.v1.engine.async_llm")

    def _facts(self, engine: AsyncLLM) -> EngineFacts:
        from vllm import __version__
        from vllm.platforms import current_platform

        self._max_model_len = int(engine.model_config.max_model_len)
        details = {"vLLM": str(__version__), "device": str(current_platform.get_device_name())}
        self._takes_schema = not engine.model_config.skip_tokenizer_init
        arguments = arguments_in_force(self._arguments, engine.vllm_config)
        return EngineFacts(self._weights.model, self._max_model_len, details, self._takes_schema, arguments)

    async def metrics(self) -> str:
        """Empty as well with `disable_log_stats` among the engine's arguments."""
        return exposition(REGISTRY.collect()) if self._engine else ""

    def is_healthy(self) -> bool:
        engine, loop = self._engine, self._loop
        if engine is None:
            return False
        # A loop that ended (a command's asyncio.run) ends vLLM's output task, which counts as an error there.
        return not engine.errored or (loop is not None and not loop.is_running())

    def last_errors(self) -> tuple[str, ...]:
        """The last errors of vLLM's own log, at most five short lines."""
        return self._log.last_errors()

    def stop(self) -> None:
        with self._stopping:
            engine, self._engine = self._engine, None
            if engine:
                self._end_streams(engine)
                engine.shutdown(timeout=SHUTDOWN_SECONDS)
            else:
                _end_starting_processes()
            self._loop = None
            self._lock.release()

    def _end_streams(self, engine: AsyncLLM) -> None:
        """Wake the consumers of running streams: vLLM's shutdown alone would let them wait for ever."""
        loop = self._loop
        if loop and loop.is_running() and self._running:
            asyncio.run_coroutine_threadsafe(engine.abort(list(self._running)), loop)

    # requests

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, request_id: str
    ) -> AsyncGenerator[Tokens, None]:
        engine = self._ready_engine()
        ids = checked_prompt(prompt_ids)
        if len(ids) >= self._max_model_len:
            raise PromptError(
                format_lazy(
                    _("The prompt has {tokens} tokens; the engine takes less than {limit}."),
                    tokens=grouped(len(ids)),
                    limit=grouped(self._max_model_len),
                )
            )
        if sampling.json_schema is not None and not self._takes_schema:
            raise PromptError("This model has no tokenizer.json, which an answer with a JSON schema needs.")
        self._running[request_id] = False
        try:
            async with aclosing(self._stream(engine, ids, sampling, request_id)) as stream:
                async for tokens in stream:
                    yield tokens
        finally:
            del self._running[request_id]

    async def _stream(
        self, engine: AsyncLLM, ids: list[int], sampling: Sampling, request_id: str
    ) -> AsyncGenerator[Tokens, None]:
        from vllm.exceptions import VLLMClientError
        from vllm.inputs.engine import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            outputs = engine.generate(tokens_input(ids), _sampling_params(sampling), request_id)
            async with aclosing(outputs):
                async for output in outputs:
                    completion = output.outputs[0]
                    if completion.finish_reason == "error" and sampling.json_schema is not None:
                        raise PromptError("The engine can make no grammar of this JSON schema, or none to keep to.")
                    reason = self._finish_reason(completion.finish_reason, request_id)
                    yield Tokens(tuple(completion.token_ids), reason)
        except VLLMClientError as error:  # the caller: a prompt or a value that vLLM refuses
            raise PromptError(format_lazy(_("The engine refused the prompt: {error}"), error=error)) from error
        except EngineDeadError as error:  # the engine's process is gone
            raise EngineDiedError(DIED) from error
        except (EngineDiedError, PromptError):
            raise
        except Exception as error:  # vLLM failed in this request, or in a way we do not know
            logger.exception("Request %s failed in the engine.", request_id)
            raise EngineDiedError(DIED) from error

    def _finish_reason(self, reason: str | None, request_id: str) -> FinishReason | None:
        """Map vLLM's reason; an abort nobody asked for, or an unknown reason, means that the engine broke."""
        if reason == "abort" and self._running.get(request_id):
            return "abort"
        if reason not in FINISH_REASONS:
            raise EngineDiedError(DIED)
        return FINISH_REASONS[reason]

    def _ready_engine(self) -> AsyncLLM:
        engine = self._engine
        if engine is None:
            raise EngineNotReadyError(_("The engine is not running."))
        if engine.errored:
            raise EngineDiedError(DIED)
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            raise RuntimeError("The engine belongs to another event loop: use one loop a process.")
        self._loop = loop
        return engine

    async def abort(self, request_id: str) -> None:
        engine = self._engine
        if engine and request_id in self._running:
            self._running[request_id] = True
            await engine.abort(request_id)


def _sampling_params(sampling: Sampling) -> SamplingParams:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    schema = sampling.json_schema
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        detokenize=False,
        stop_token_ids=list(STOP_TOKEN_IDS),
        output_kind=RequestOutputKind.DELTA,
        structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
        logit_bias=None if schema is None else dict.fromkeys(NEVER_IN_JSON, NEVER),
    )


def _end_starting_processes() -> None:
    """Make a start that still runs in another thread fail at once."""
    for process in multiprocessing.active_children():
        if process.name.startswith("EngineCore"):
            process.kill()
