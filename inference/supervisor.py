"""The engine's life: started in the background, watched, restarted when it died, stopped at exit."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from inference.engine import Engine, EngineFacts, Progress
from inference.errors import EngineFailedError, EngineNotReadyError

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
BACK_OFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
MAX_FAILURES = 5
STABLE_SECONDS = 60.0
"""An engine that ran this long was well: failures before it are forgotten."""
JOIN_SECONDS = 3.0

LOG_TELLS = "The server's log tells more."

State = Literal["stopped", "downloading", "loading", "warming up", "ready", "restarting", "failed"]


SETTLED: tuple[State, ...] = ("ready", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class Status:
    """What the page shows of the engine; `since` is the time.time() at which `state` began."""

    state: State
    text: str = ""
    done: int = 0
    total: int = 0
    since: float = 0.0
    reason: str = ""
    fix: str = ""


StatusListener = Callable[[Status], None]


class Supervisor:
    """Owns one engine. `is_remote`: it runs elsewhere and may come back at any time, so retry for ever."""

    def __init__(
        self,
        engine: Engine,
        *,
        is_remote: bool = False,
        back_off_seconds: tuple[float, ...] = BACK_OFF_SECONDS,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._engine = engine
        self._is_remote = is_remote
        self._back_off_seconds = back_off_seconds
        self._poll_seconds = poll_seconds
        self._status = Status("stopped", since=time.time())
        self._changed = threading.Condition(threading.RLock())
        self._listeners: tuple[StatusListener, ...] = ()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.facts: EngineFacts | None = None

    # what others ask

    @property
    def status(self) -> Status:
        return self._status

    @property
    def engine(self) -> Engine:
        """The engine, if it can answer now. Raises EngineFailedError, EngineNotReadyError."""
        status = self._status
        if status.state == "ready":
            return self._engine
        if status.state == "failed":
            raise EngineFailedError(status.reason, status.fix)
        if status.state == "stopped":
            raise EngineNotReadyError("The engine is not running.")
        raise EngineNotReadyError(f"The model is still {status.state}. Send your prompt again in a moment.")

    def subscribe(self, listener: StatusListener) -> Callable[[], None]:
        """Call `listener` with every new status, from a background thread; returns how to end that."""
        with self._changed:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._changed:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    def wait_ready(self, timeout_seconds: float | None = None) -> Engine:
        """Block until the engine can answer, then return it.

        Raises EngineFailedError, and EngineNotReadyError also when the time is over.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._status.state in SETTLED, timeout_seconds)
        return self.engine

    # what others order

    def start_in_background(self) -> None:
        """Start the engine and keep it running; returns at once. Harmless when started already."""
        with self._changed:
            if self._thread and self._thread.is_alive():
                return
            self._stopping.clear()
            self._publish(Status("loading", "Starting the engine"))
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

    def stop(self) -> None:
        """Stop the engine for good; blocks for seconds. Harmless when stopped already."""
        thread = self._thread
        if thread is None:
            return
        self._stopping.set()
        self._wake.set()
        self._engine.stop()
        thread.join(JOIN_SECONDS)
        self._thread = None
        atexit.unregister(self.stop)
        self._publish(Status("stopped"))

    # the thread

    def _run(self) -> None:
        failures = 0
        has_run = False
        while not self._stopping.is_set():
            error = self._start()
            if error is None:
                has_run = True
                ready_at = time.monotonic()
                self._watch()
                if time.monotonic() - ready_at > STABLE_SECONDS:
                    failures = 0
                error = EngineFailedError("The engine stopped unexpectedly.", LOG_TELLS)
            failures += 1
            delay = self._show_failure(error, failures, has_run)
            self._engine.stop()
            if not self._stopping.is_set():
                self._wake.wait(delay)

    def _start(self) -> EngineFailedError | None:
        try:
            self.facts = self._engine.start(self._report)
        except EngineFailedError as error:  # the machine or the settings: the text says what to do
            return error
        except Exception as error:  # noqa: BLE001 (a defect of the engine's code; the page must say so)
            failure = EngineFailedError(f"The engine did not start: {type(error).__name__}.", LOG_TELLS)
            failure.__cause__ = error
            return failure
        if not self._stopping.is_set():
            self._stop_first_at_exit()
            self._publish(Status("ready"))
        return None

    def _watch(self) -> None:
        while self._engine.is_healthy() and not self._stopping.wait(self._poll_seconds):
            pass

    def _show_failure(self, error: EngineFailedError, failures: int, has_run: bool) -> float | None:
        """Publish it; returns the seconds to the next attempt, or None where only `retry` makes one."""
        self._wake.clear()
        if self._stopping.is_set():
            return None
        logger.error("%s (attempt %d)", error, failures)
        logger.debug("It came from:", exc_info=error.__cause__)
        if not self._is_remote and (not has_run or failures >= MAX_FAILURES):
            self._publish(Status("failed", reason=error.reason, fix=error.fix))
            return None
        delay = self._back_off_seconds[min(failures, len(self._back_off_seconds)) - 1]
        state: State = "failed" if self._is_remote else "restarting"
        text = f"Trying again in {delay:.0f} s"
        self._publish(Status(state, text, reason=error.reason, fix=error.fix))
        return delay

    def _report(self, progress: Progress) -> None:
        if not self._stopping.is_set():
            self._stop_first_at_exit()
            self._publish(Status(progress.state, progress.text, progress.done, progress.total))

    def _publish(self, status: Status) -> None:
        with self._changed:
            since = self._status.since if status.state == self._status.state else time.time()
            status = replace(status, since=since)
            if status == self._status:
                return
            self._status = status
            self._changed.notify_all()
            for listener in self._listeners:
                try:
                    listener(status)
                except Exception:  # the listener's fault, and no reason to leave the engine alone
                    logger.exception("A listener of the engine's status failed.")


@cache
def get_supervisor() -> Supervisor:
    """The supervisor of this process, as the settings say. It is not started by this."""
    from django.conf import settings

    from inference.engines.local import LocalEngine
    from inference.engines.server import ServerEngine

    if settings.ENGINE == "vllm-server":
        server = ServerEngine(settings.VLLM_SERVER_URL, settings.VLLM_SERVER_API_KEY, settings.MODEL_NAME)
        return Supervisor(server, is_remote=True)
    local = LocalEngine(
        settings.MODEL_NAME,
        needed_model_len(settings.MAX_CONTEXT_TOKENS, settings.DEFAULT_MAX_TOKENS),
        settings.VLLM_ENGINE_ARGS,
        settings.HF_TOKEN,
        settings.CACHE_FOLDER,
    )
    return Supervisor(local)


def needed_model_len(max_context_tokens: int, default_max_tokens: int) -> int:
    """Tokens of the longest request: context, answer and one Continue, rounded up to 1,024."""
    return -(-(max_context_tokens + 2 * default_max_tokens) // 1024) * 1024
