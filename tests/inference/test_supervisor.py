"""The engine's life, with engines that do what a test tells them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_django import Settings

from inference.engine import EngineFacts, Progress, ProgressListener, Sampling, Tokens
from inference.engines.local import LocalEngine
from inference.engines.server import ServerEngine
from inference.errors import EngineFailedError, EngineNotReadyError
from inference.status import Status
from inference.supervisor import (
    BACK_OFF_SECONDS,
    MAX_FAILURES,
    Supervisor,
    get_supervisor,
    needed_model_len,
)

SOON = (0.001,)
NEVER = (600.0,)
REFUSAL = EngineFailedError("It is too large.", "Use a smaller one.")


@dataclass
class ScriptedEngine:
    """Fails as often as `failures` says, with REFUSAL or what a test put there; then runs until `die`."""

    failures: list[Exception] = field(default_factory=list)
    is_started: bool = False
    starts: int = 0
    stops: int = 0
    may_start: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_start.set()

    def start(self, on_progress: ProgressListener) -> EngineFacts:
        self.starts += 1
        on_progress(Progress("downloading", "Downloading it", done=1, total=2))
        on_progress(Progress("warming up", "Warming up"))
        assert self.may_start.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        self.is_started = True
        return EngineFacts("scripted", 4096)

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, request_id: str
    ) -> AsyncGenerator[Tokens, None]:
        yield Tokens((1,), "stop")

    async def abort(self, request_id: str) -> None:
        return

    async def metrics(self) -> str:
        return "vllm:num_requests_running 1.0\n"

    def is_healthy(self) -> bool:
        return self.is_started

    def die(self) -> None:
        self.is_started = False

    def stop(self) -> None:
        self.stops += 1
        self.is_started = False
        self.may_start.set()


@dataclass
class Watched:
    """A supervisor, its engine, and every status it published."""

    supervisor: Supervisor
    engine: ScriptedEngine
    statuses: list[Status] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def note(self, status: Status) -> None:
        with self.changed:
            self.statuses.append(status)
            self.changed.notify_all()

    @property
    def states(self) -> list[str]:
        return [status.state for status in self.statuses]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 10), self.statuses

    def wait_for(self, state: str, times: int = 1) -> None:
        self.wait_until(lambda: self.states.count(state) >= times)


Watch = Callable[..., Watched]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Make a supervisor of a scripted engine, stopped after the test."""
    made: list[Watched] = []

    def make(*failures: Exception, is_remote: bool = False, back_off: tuple[float, ...] = SOON) -> Watched:
        engine = ScriptedEngine(list(failures))
        supervisor = Supervisor(engine, is_remote=is_remote, back_off_seconds=back_off, poll_seconds=0.001)
        watched = Watched(supervisor, engine)
        supervisor.subscribe(watched.note)
        made.append(watched)
        return watched

    yield make
    for watched in made:
        watched.supervisor.stop()


def test_nothing_runs_before_it_is_started(watch: Watch) -> None:
    watched = watch()
    assert watched.supervisor.status.state == "stopped"
    assert watched.engine.starts == 0
    with pytest.raises(EngineNotReadyError, match="not running"):
        _ = watched.supervisor.engine
    with pytest.raises(EngineNotReadyError):
        watched.supervisor.wait_ready(10)


def test_start_tells_every_phase_and_ends_ready(watch: Watch) -> None:
    watched = watch()
    watched.supervisor.start_in_background()
    assert watched.supervisor.wait_ready(10) is watched.engine
    assert watched.supervisor.engine is watched.engine
    assert watched.states == ["loading", "downloading", "warming up", "ready"]
    assert (watched.statuses[1].text, watched.statuses[1].done, watched.statuses[1].total) == (
        "Downloading it",
        1,
        2,
    )
    assert watched.supervisor.facts == EngineFacts("scripted", 4096)


def test_a_second_start_is_harmless(watch: Watch) -> None:
    watched = watch()
    watched.supervisor.start_in_background()
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    watched.supervisor.start_in_background()
    assert watched.engine.starts == 1


def test_while_it_loads_prompts_are_told_so(watch: Watch) -> None:
    watched = watch()
    watched.engine.may_start.clear()
    watched.supervisor.start_in_background()
    watched.wait_for("warming up")
    with pytest.raises(EngineNotReadyError, match="still warming up"):
        _ = watched.supervisor.engine
    with pytest.raises(EngineNotReadyError, match="still warming up"):
        watched.supervisor.wait_ready(0.01)
    watched.engine.may_start.set()
    watched.supervisor.wait_ready(10)


def test_since_is_when_the_state_began(watch: Watch) -> None:
    watched = watch()
    watched.engine.may_start.clear()
    watched.supervisor.start_in_background()
    watched.wait_for("warming up")
    since = watched.supervisor.status.since
    watched.supervisor._report(Progress("warming up", "Almost"))
    assert (watched.supervisor.status.text, watched.supervisor.status.since) == ("Almost", since)
    watched.engine.may_start.set()
    watched.supervisor.wait_ready(10)
    assert watched.supervisor.status.since > since


def test_a_first_start_that_fails_waits_for_somebody_to_retry(watch: Watch) -> None:
    watched = watch(REFUSAL)
    watched.supervisor.start_in_background()
    with pytest.raises(EngineFailedError) as caught:
        watched.supervisor.wait_ready(10)
    assert (caught.value.reason, caught.value.fix) == (REFUSAL.reason, REFUSAL.fix)
    with pytest.raises(EngineFailedError, match="It is too large"):
        _ = watched.supervisor.engine
    assert watched.engine.starts == 1
    watched.supervisor.retry()
    watched.wait_for("ready")
    assert watched.engine.starts == 2


def test_a_defect_of_the_engine_is_a_failure_too(watch: Watch) -> None:
    watched = watch(ZeroDivisionError("secret details"))
    watched.supervisor.start_in_background()
    watched.wait_for("failed")
    assert "ZeroDivisionError" in watched.supervisor.status.reason
    assert "secret" not in watched.supervisor.status.reason


def test_a_dead_engine_is_restarted(watch: Watch) -> None:
    watched = watch()
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    watched.engine.die()
    watched.wait_for("ready", times=2)
    assert watched.states[4:] == ["restarting", "downloading", "warming up", "ready"]
    assert watched.statuses[4].reason
    assert watched.engine.stops == 1, "what is left of the dead engine must be freed before the next one"


def test_the_last_words_of_a_dead_or_failed_engine_are_shown() -> None:
    engine = ScriptedEngine()
    watched = Watched(
        Supervisor(engine, back_off_seconds=SOON, poll_seconds=0.001, last_errors=lambda: ["Oops"]), engine
    )
    watched.supervisor.subscribe(watched.note)
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    engine.failures = [EngineFailedError("It broke.", log=["ValueError: 5", "Failed."])]
    engine.die()
    watched.wait_for("ready", times=2)
    watched.supervisor.stop()
    restarting = [status for status in watched.statuses if status.state == "restarting"]
    assert [status.log for status in restarting] == [("Oops",), ("ValueError: 5", "Failed.")]
    assert watched.statuses[-1].log == ()


def test_while_it_restarts_prompts_are_told_so(watch: Watch) -> None:
    watched = watch(back_off=NEVER)
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    watched.engine.die()
    watched.wait_for("restarting")
    with pytest.raises(EngineNotReadyError, match="restarting"):
        _ = watched.supervisor.engine
    watched.supervisor.retry()
    watched.wait_for("ready", times=2)


def test_five_failures_in_a_row_are_enough(watch: Watch) -> None:
    watched = watch()
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    watched.engine.failures = [REFUSAL] * (MAX_FAILURES - 1)
    watched.engine.die()
    watched.wait_for("failed")
    assert watched.states.count("restarting") == MAX_FAILURES - 1
    assert watched.engine.starts == MAX_FAILURES
    watched.supervisor.retry()
    watched.wait_for("ready", times=2)


def test_an_engine_that_dies_again_and_again_is_left_alone(watch: Watch) -> None:
    watched = watch()
    watched.supervisor.start_in_background()
    for times in range(1, MAX_FAILURES + 1):
        watched.wait_for("ready", times)
        watched.engine.die()
    watched.wait_for("failed")
    assert watched.engine.starts == MAX_FAILURES


def test_failures_before_a_long_run_are_forgotten(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.supervisor.STABLE_SECONDS", -1.0)
    watched = watch()
    watched.supervisor.start_in_background()
    for times in range(1, MAX_FAILURES * 2):
        watched.wait_for("ready", times)
        watched.engine.die()
    watched.wait_for("ready", times=MAX_FAILURES * 2)
    assert "failed" not in watched.states


def test_back_off_grows(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[float | None] = []
    watched = watch(*[REFUSAL] * 8, is_remote=True, back_off=BACK_OFF_SECONDS)
    wake = watched.supervisor._wake
    monkeypatch.setattr(wake, "wait", lambda delay: delays.append(delay))
    watched.supervisor.start_in_background()
    watched.wait_for("ready")
    assert delays[:8] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_an_engine_that_is_trusted_no_more_is_started_anew(watch: Watch) -> None:
    watched = watch(back_off=NEVER)
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    watched.supervisor.restart("It gave no token for a minute.")
    with pytest.raises(EngineNotReadyError, match="restarting"):
        _ = watched.supervisor.engine
    watched.wait_for("restarting")
    watched.supervisor.retry()
    watched.wait_for("ready", times=2)
    assert watched.states[4] == "restarting"
    assert watched.statuses[4].reason == "It gave no token for a minute."
    assert (watched.engine.starts, watched.engine.stops) == (2, 1)


def test_a_restart_of_what_does_not_run_is_ignored(watch: Watch) -> None:
    watched = watch()
    watched.supervisor.restart("too early")
    watched.engine.may_start.clear()
    watched.supervisor.start_in_background()
    watched.wait_for("warming up")
    watched.supervisor.restart("too early")
    watched.engine.may_start.set()
    watched.supervisor.wait_ready(10)
    watched.supervisor.retry()
    assert watched.states == ["loading", "downloading", "warming up", "ready"]
    assert watched.engine.starts == 1


def test_death_is_noticed_within_a_second(watch: Watch) -> None:
    engine = ScriptedEngine()
    watched = Watched(Supervisor(engine), engine)
    watched.supervisor.subscribe(watched.note)
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    died_at = time.monotonic()
    engine.die()
    watched.wait_for("restarting")
    assert time.monotonic() - died_at < 1
    watched.supervisor.stop()


async def test_usable_waits_for_the_engine(watch: Watch) -> None:
    watched = watch()
    with pytest.raises(EngineNotReadyError, match="not running"):
        await watched.supervisor.usable()
    watched.engine.may_start.clear()
    watched.supervisor.start_in_background()
    waiting = asyncio.create_task(watched.supervisor.usable())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.05)
    watched.engine.may_start.set()
    assert await asyncio.wait_for(waiting, 10) is watched.engine


async def test_usable_waits_for_another_engine_after_a_death(watch: Watch) -> None:
    """Also before the supervisor itself noticed it: the reply is the first to know."""
    watched = watch()
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    for end in (watched.engine.die, lambda: watched.supervisor.restart("It hangs.")):
        starts = watched.engine.starts
        end()
        await asyncio.wait_for(watched.supervisor.usable(), 10)
        assert watched.engine.starts == starts + 1
        assert watched.engine.is_healthy()


async def test_usable_ends_when_the_engine_failed_for_good_or_is_stopped(watch: Watch) -> None:
    watched = watch(REFUSAL)
    watched.supervisor.start_in_background()
    with pytest.raises(EngineFailedError, match="It is too large"):
        await asyncio.wait_for(watched.supervisor.usable(), 10)
    stopped = watch()
    stopped.engine.may_start.clear()
    stopped.supervisor.start_in_background()
    waiting = asyncio.create_task(stopped.supervisor.usable())
    await asyncio.to_thread(stopped.supervisor.stop)
    with pytest.raises(EngineNotReadyError, match="not running"):
        await asyncio.wait_for(waiting, 10)


async def test_usable_waits_for_a_remote_engine_through_its_failures_and_can_be_cancelled(watch: Watch) -> None:
    watched = watch(*[REFUSAL] * (MAX_FAILURES * 2), is_remote=True)
    watched.supervisor.start_in_background()
    assert await asyncio.wait_for(watched.supervisor.usable(), 10) is watched.engine
    away = watch(REFUSAL, is_remote=True, back_off=NEVER)
    away.supervisor.start_in_background()
    waiting = asyncio.create_task(away.supervisor.usable())
    await asyncio.to_thread(away.wait_for, "failed")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_remote_engine_in_doubt_is_asked_and_not_stopped(watch: Watch) -> None:
    watched = watch(is_remote=True)
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    watched.supervisor.restart("It hangs.")
    watched.wait_for("ready", times=2)
    assert (watched.engine.starts, watched.engine.stops) == (2, 0)


def test_a_remote_engine_is_tried_for_ever_and_shows_why(watch: Watch) -> None:
    watched = watch(*[REFUSAL] * (MAX_FAILURES * 3), is_remote=True)
    watched.supervisor.start_in_background()
    watched.wait_for("ready")
    failed = [status for status in watched.statuses if status.state == "failed"]
    assert len(failed) == MAX_FAILURES * 3
    assert {status.reason for status in failed} == {REFUSAL.reason}


def test_a_listener_that_raises_stops_nobody(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(status: Status) -> None:
        raise ValueError("a listener's defect")

    watched = watch()
    board = watched.supervisor._board
    board._listeners = (broken, *board._listeners)
    watched.supervisor.start_in_background()
    watched.wait_for("ready")
    assert "listener" in caplog.text


def test_who_unsubscribed_hears_no_more(watch: Watch) -> None:
    watched = watch()
    heard: list[Status] = []
    unsubscribe = watched.supervisor.subscribe(heard.append)
    unsubscribe()
    unsubscribe()
    watched.supervisor.start_in_background()
    watched.wait_for("ready")
    assert heard == []


def test_a_listener_may_read_the_status_from_another_thread(watch: Watch) -> None:
    watched = watch()
    read: list[str] = []

    def listener(status: Status) -> None:
        thread = threading.Thread(target=lambda: read.append(watched.supervisor.status.state))
        thread.start()
        thread.join(5)

    watched.supervisor.subscribe(listener)
    watched.supervisor.start_in_background()
    watched.wait_for("ready")
    assert read[0] == "loading"


def test_stop_ends_the_engine_for_good(watch: Watch) -> None:
    watched = watch()
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)
    watched.supervisor.stop()
    assert not watched.engine.is_started
    assert watched.states[-1] == "stopped"
    assert "restarting" not in watched.states
    stops = watched.engine.stops
    watched.supervisor.stop()
    assert watched.engine.stops == stops
    watched.supervisor.start_in_background()
    watched.supervisor.wait_ready(10)


def test_stop_interrupts_a_start_and_a_pause(watch: Watch) -> None:
    starting = watch()
    starting.engine.may_start.clear()
    starting.supervisor.start_in_background()
    starting.wait_for("warming up")
    starting.supervisor.stop()
    assert not starting.engine.is_started
    assert "ready" not in starting.states
    failed = watch(REFUSAL)
    failed.supervisor.start_in_background()
    failed.wait_for("failed")
    failed.supervisor.stop()
    assert failed.states[-1] == "stopped"
    assert failed.engine.starts == 1


def test_exit_stops_the_engine(tmp_path: Path) -> None:
    program = """
import sys
from tests.inference.test_supervisor import ScriptedEngine
from inference.supervisor import Supervisor
class Loud(ScriptedEngine):
    def stop(self):
        super().stop()
        print("stopped", flush=True)
supervisor = Supervisor(Loud())
supervisor.start_in_background()
supervisor.wait_ready(10)
sys.exit(3)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3, ended.stderr
    assert ended.stdout.startswith("stopped")


@pytest.fixture
def fresh_supervisor() -> Iterator[None]:
    get_supervisor.cache_clear()
    yield
    get_supervisor.cache_clear()


def test_settings_choose_the_engine(fresh_supervisor: None, settings: Settings, tmp_path: Path) -> None:
    settings.ENGINE, settings.MODEL_NAME, settings.CACHE_FOLDER = "vllm", "demo", tmp_path
    settings.MAX_CONTEXT_TOKENS, settings.DEFAULT_MAX_TOKENS = 2000, 1000
    settings.VLLM_ENGINE_ARGS = {"max_num_seqs": 4}
    local = get_supervisor()._engine
    assert isinstance(local, LocalEngine)
    assert local._engine_args == {"max_model_len": 4096, "max_num_seqs": 4}
    assert get_supervisor() is get_supervisor()
    get_supervisor.cache_clear()
    settings.ENGINE, settings.VLLM_SERVER_URL = "vllm-server", "http://gpu:8001/v1"
    assert isinstance(get_supervisor()._engine, ServerEngine)
    assert get_supervisor().is_remote


@pytest.mark.parametrize(("context", "output", "length"), [(2000, 1000, 4096), (2048, 1024, 4096), (2049, 1024, 5120)])
def test_the_model_length_has_room_for_one_continue(context: int, output: int, length: int) -> None:
    assert needed_model_len(context, output) == length
