"""The engine's life: started in the background, watched, restarted when it died, stopped at exit."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.engine import Engine, EngineFacts, Progress
from inference.errors import EngineFailedError, EngineNotReadyError
from inference.history import History
from inference.start_times import Kind, StartClock, StartTimes
from inference.status import STATE_NAMES, State, Status, StatusBoard, StatusListener

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Text

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
BACK_OFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
MAX_FAILURES = 5
STABLE_SECONDS = 60.0
"""An engine that ran this long was well: failures before it are forgotten."""
JOIN_SECONDS = 3.0

LOG_TELLS = _("The server's log tells more.")


class Supervisor:
    """Owns one engine.

    `is_remote`: it runs elsewhere and may come back at any time, so retry for ever. `last_errors`: the
    last lines that an engine which died left in its own log.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        is_remote: bool = False,
        start_times: StartTimes | None = None,
        last_errors: Callable[[], Sequence[str]] = tuple,
        back_off_seconds: tuple[float, ...] = BACK_OFF_SECONDS,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._engine = engine
        self.is_remote = is_remote
        self._back_off_seconds = back_off_seconds
        self._poll_seconds = poll_seconds
        self._start_times = start_times
        self.last_errors = last_errors
        self._kind: Kind = "first"
        self._clock = StartClock()
        self._board = StatusBoard()
        self.history = History()
        self._board.subscribe(self.history.note)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._distrust: Text = ""
        """Why a running engine is not trusted any more; empty while it is."""
        self._is_ordered = False
        """Whether somebody, and not a failure, wants it started anew."""
        self.facts: EngineFacts | None = None

    # what others ask

    @property
    def status(self) -> Status:
        return self._board.status

    @property
    def engine(self) -> Engine:
        """The engine, if it can answer now. Raises EngineFailedError, EngineNotReadyError."""
        status = self._board.status
        if status.state == "ready" and not self._distrust:
            return self._engine
        if status.state == "failed":
            raise EngineFailedError(status.reason, status.fix)
        if status.state == "stopped":
            raise EngineNotReadyError(status.text or _("The engine is not running."))
        state: State = "restarting" if status.state == "ready" else status.state
        raise EngineNotReadyError(
            format_lazy(_("The model is still {state}. Send your prompt again in a moment."), state=STATE_NAMES[state])
        )

    async def usable(self) -> Engine:
        """Wait until the engine can answer, also while it restarts, and return it.

        Raises EngineFailedError once it has failed for good, which a remote engine never does, and
        EngineNotReadyError when it is stopped.
        """
        while True:
            status = self._board.status
            if status.state == "stopped" or (status.state == "failed" and not self.is_remote):
                return self.engine
            if status.state == "ready" and not self._distrust and self._engine.is_healthy():
                return self._engine
            await asyncio.sleep(self._poll_seconds)

    def subscribe(self, listener: StatusListener) -> Callable[[], None]:
        """Call `listener` with every new status, from a background thread; returns how to end that."""
        return self._board.subscribe(listener)

    async def metrics(self) -> str:
        """The engine's own metrics; empty while it cannot be asked."""
        return await self._engine.metrics() if self._board.status.state == "ready" else ""

    def wait_ready(self, timeout_seconds: float | None = None) -> Engine:
        """Block until the engine can answer, then return it.

        Raises EngineFailedError, and EngineNotReadyError also when the time is over.
        """
        self._board.wait_settled(timeout_seconds)
        return self.engine

    # what others order

    def start_in_background(self) -> None:
        """Start the engine and keep it running; returns at once. Harmless when started already."""
        with self._starting:
            if self._thread and self._thread.is_alive():
                return
            self._stopping.clear()
            self._clock = StartClock()
            self._board.publish(self._starting_status("loading", _("Starting the engine")))
            self._thread = threading.Thread(target=self._run, name="engine-supervisor", daemon=True)
            self._thread.start()
        self._stop_first_at_exit()

    def _stop_first_at_exit(self) -> None:
        """What is registered last runs first: the hooks of multiprocessing and vLLM wait much longer."""
        atexit.unregister(self.stop)
        atexit.register(self.stop)

    def retry(self) -> None:
        """Try again now: after a failure, or instead of waiting for the next attempt."""
        self._wake.set()

    def restart(self, reason: Text, *, is_ordered: bool = False) -> None:
        """Trust a running engine no more, and return at once; from any thread or event loop.

        A local one is stopped and started anew. A remote one is asked at once whether it is well; if
        so, its other requests go on. Ignored while no engine runs: then it starts anew anyhow.
        `is_ordered`: it did nothing wrong, so failures before it are forgotten.
        """
        if self._board.status.state == "ready":
            self._is_ordered = is_ordered
            self._distrust = reason
            self._wake.set()

    def stop(self, reason: Text = "") -> None:
        """Stop the engine until it is started again; blocks for seconds. Harmless when stopped already.

        `reason` is what people are told who want an answer meanwhile.
        """
        thread = self._thread
        if thread is None:
            return
        self._stopping.set()
        self._wake.set()
        self._engine.stop()
        thread.join(JOIN_SECONDS)
        self._thread = None
        atexit.unregister(self.stop)
        self._board.publish(Status("stopped", reason))

    # the thread

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            error = self._start()
            if error is None:
                ready_at = time.monotonic()
                error = self._watch()
                if time.monotonic() - ready_at > STABLE_SECONDS:
                    failures = 0
            self._clock = StartClock()
            if error is None:
                continue
            if self._is_ordered:
                failures = 0
                self._board.publish(self._starting_status("restarting", error.reason))
                self._engine.stop()
                continue
            failures += 1
            delay = self._show_failure(error, failures)
            self._engine.stop()
            if not self._stopping.is_set():
                self._wake.wait(delay)
            if delay is None:
                self._clock = StartClock()

    def _start(self) -> EngineFailedError | None:
        self._distrust, self._is_ordered = "", False
        try:
            self.facts = self._engine.start(self._report)
        except EngineFailedError as error:  # the machine or the settings: the text says what to do
            return error
        except Exception as error:  # noqa: BLE001 (a defect of the engine's code; the page must say so)
            failure = EngineFailedError(
                format_lazy(_("The engine did not start: {error}."), error=type(error).__name__), LOG_TELLS
            )
            failure.__cause__ = error
            return failure
        if not self._stopping.is_set():
            self._stop_first_at_exit()
            if self._start_times:
                self._start_times.record(self._kind, self._clock.seconds)
            self._kind = "again"
            self._board.publish(Status("ready"))
        return None

    def _watch(self) -> EngineFailedError | None:
        """Return why the engine must be stopped, or None where it should only be asked again."""
        while self._engine.is_healthy() and not self._stopping.is_set():
            if self._distrust:
                logger.warning("%s", self._distrust)
                return None if self.is_remote else EngineFailedError(self._distrust, LOG_TELLS)
            self._wake.wait(self._poll_seconds)
            self._wake.clear()
        return EngineFailedError(_("The engine stopped unexpectedly."), LOG_TELLS, self.last_errors())

    def _show_failure(self, error: EngineFailedError, failures: int) -> float | None:
        """Publish it; returns the seconds to the next attempt, or None where only `retry` makes one."""
        self._wake.clear()
        if self._stopping.is_set():
            return None
        logger.error("%s (attempt %d)", error, failures)
        logger.debug("It came from:", exc_info=error.__cause__)
        if not self.is_remote and (self._kind == "first" or failures >= MAX_FAILURES):
            self._board.publish(Status("failed", reason=error.reason, fix=error.fix, log=error.log))
            return None
        delay = self._back_off_seconds[min(failures, len(self._back_off_seconds)) - 1]
        text = format_lazy(_("Trying again in {delay:.0f} s"), delay=delay)
        status = Status("failed", text) if self.is_remote else self._starting_status("restarting", text)
        self._board.publish(replace(status, reason=error.reason, fix=error.fix, log=error.log))
        return delay

    def _report(self, progress: Progress) -> None:
        is_downloading = progress.state == "downloading"
        self._clock.note(is_downloading=is_downloading)
        if self._stopping.is_set():
            return
        self._stop_first_at_exit()
        if is_downloading:
            self._board.publish(Status(progress.state, progress.text, progress.done, progress.total))
        else:
            self._board.publish(self._starting_status(progress.state, progress.text))

    def _starting_status(self, state: State, text: Text) -> Status:
        expected = self._start_times.expected(self._kind) if self._start_times else None
        return Status(state, text, started=self._clock.started, expected_seconds=expected)


@cache
def get_supervisor() -> Supervisor:
    """The supervisor of this process, as the settings say. It is not started by this."""
    from django.conf import settings

    from inference.engines.local import LocalEngine
    from inference.engines.pool import servers_at

    if settings.ENGINE == "vllm-server":
        servers = servers_at(settings.VLLM_SERVER_URL, settings.VLLM_SERVER_API_KEY, settings.MODEL_NAME)
        return Supervisor(servers, is_remote=True)
    local = LocalEngine(
        settings.MODEL_NAME,
        needed_model_len(settings.MAX_CONTEXT_TOKENS, settings.DEFAULT_MAX_TOKENS),
        settings.VLLM_ENGINE_ARGS,
        settings.HF_TOKEN,
        settings.CACHE_FOLDER,
    )
    start_times = StartTimes(settings.CACHE_FOLDER / "start_times.json", settings.MODEL_NAME)
    return Supervisor(local, start_times=start_times, last_errors=local.last_errors)


def needed_model_len(max_context_tokens: int, default_max_tokens: int) -> int:
    """Tokens of the longest request: context, answer and one Continue, rounded up to 1,024."""
    return -(-(max_context_tokens + 2 * default_max_tokens) // 1024) * 1024
