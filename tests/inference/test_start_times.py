"""From the second start on the page can say how long it will take."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.engine import EngineFacts, Progress, ProgressListener
from inference.start_times import StartClock, StartTimes
from inference.status import Status
from inference.supervisor import Supervisor
from tests.inference.test_supervisor import ScriptedEngine, Watched


def test_a_start_is_remembered_by_model_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "start_times.json"
    times = StartTimes(path, "demo")
    assert times.expected("first") is None
    times.record("first", 25.04)
    times.record("again", 12)
    StartTimes(path, "openai/gpt-oss-20b").record("first", 90)
    times.record("first", 26)
    assert (StartTimes(path, "demo").expected("first"), times.expected("again")) == (26, 12)
    assert StartTimes(path, "openai/gpt-oss-20b").expected("first") == 90
    assert StartTimes(path, "openai/gpt-oss-20b").expected("again") is None


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"\xff", b"[]", b"5", b'{"demo": 5}', b'{"demo": {"first": "soon"}}', b"[" * 100_000]
)
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "start_times.json"
    path.write_bytes(content)
    times = StartTimes(path, "demo")
    assert times.expected("first") is None
    times.record("first", 25)
    assert times.expected("first") == 25


@pytest.mark.parametrize("seconds", [0, -3600])
def test_a_clock_that_was_set_back_gives_no_estimate(tmp_path: Path, seconds: float) -> None:
    times = StartTimes(tmp_path / "start_times.json", "demo")
    times.record("first", seconds)
    assert times.expected("first") is None


def test_a_file_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    times = StartTimes(tmp_path / "file" / "start_times.json", "demo")
    times.record("first", 25)
    assert times.expected("first") is None


def test_a_download_stands_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("inference.start_times.time.time", lambda: now)
    clock = StartClock()
    now += 5
    clock.note(is_downloading=True)
    now += 300
    clock.note(is_downloading=True)
    now += 300
    clock.note(is_downloading=False)
    now += 7
    clock.note(is_downloading=False)
    assert clock.seconds == 12
    assert clock.started == 1600


class Timed(ScriptedEngine):
    """Moves the clock on by what its phases take."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.now = 1000.0
        monkeypatch.setattr("inference.start_times.time.time", lambda: self.now)
        self.seconds_per_phase = 10.0

    def start(self, on_progress: ProgressListener) -> EngineFacts:
        self.starts += 1
        on_progress(Progress("loading", "Starting"))
        self.now += self.seconds_per_phase
        on_progress(Progress("downloading", "Downloading"))
        self.now += 1000
        on_progress(Progress("warming up", "Warming up"))
        self.now += self.seconds_per_phase
        self.is_started = True
        return EngineFacts("timed")


def supervised(engine: ScriptedEngine, times: StartTimes | None) -> Watched:
    watched = Watched(Supervisor(engine, start_times=times, back_off_seconds=(0.001,), poll_seconds=0.001), engine)
    watched.supervisor.subscribe(watched.note)
    watched.supervisor.start_in_background()
    watched.wait_for("ready")
    return watched


def expectations(statuses: list[Status]) -> dict[str, float | None]:
    return {status.state: status.expected_seconds for status in statuses}


def test_the_status_tells_how_long_a_start_will_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = StartTimes(tmp_path / "start_times.json", "demo")
    first = supervised(Timed(monkeypatch), times)
    assert set(expectations(first.statuses).values()) == {None}
    first.supervisor.stop()
    engine = Timed(monkeypatch)
    second = supervised(engine, times)
    assert expectations(second.statuses) == {"loading": 20, "downloading": None, "warming up": 20, "ready": None}
    started = {status.state: status.started for status in second.statuses}
    assert started == {"loading": 1000, "downloading": None, "warming up": 2000, "ready": None}
    engine.seconds_per_phase = 4
    for restart in (2, 3):
        second.statuses.clear()
        engine.die()
        second.wait_for("ready")
        known = None if restart == 2 else 8
        assert expectations(second.statuses) == {
            "restarting": known,
            "loading": known,
            "downloading": None,
            "warming up": known,
            "ready": None,
        }
    second.supervisor.stop()
    assert (times.expected("first"), times.expected("again")) == (20, 8)


def test_a_start_that_fails_is_not_remembered(tmp_path: Path) -> None:
    times = StartTimes(tmp_path / "start_times.json", "demo")
    engine = ScriptedEngine([ValueError("defect")])
    watched = Watched(Supervisor(engine, start_times=times), engine)
    watched.supervisor.subscribe(watched.note)
    watched.supervisor.start_in_background()
    watched.wait_for("failed")
    watched.supervisor.stop()
    assert times.expected("first") is None
