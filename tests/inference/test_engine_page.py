"""The engine page: who sees it, what it shows, and what its orders do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from inference.engine import EngineFacts, ProgressListener
from inference.errors import EngineFailedError
from inference.supervisor import Supervisor
from tests.inference.test_supervisor import SOON, ScriptedEngine

PAGE = "/admin/engine/"
ORDERS = ("start", "restart", "stop")

FIGURES = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",server="http://gpu:8001"} 3
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",server="http://gpu:8001"} 0.25
"""


class ShownEngine(ScriptedEngine):
    """With all that the page can show."""

    def start(self, on_progress: ProgressListener) -> EngineFacts:
        super().start(on_progress)
        return EngineFacts("scripted", 4096, {"vLLM": "0.32.0"}, arguments={"max_num_seqs": "<128>"})

    async def metrics(self) -> str:
        return FIGURES


@pytest.fixture(autouse=True)
def quick(settings: Settings, static_files: None) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("sam", is_staff=True))
    return client


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


Run = Callable[..., Supervisor]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Make a supervisor the site's own, ready if its engine starts."""
    made: list[Supervisor] = []

    def begin(engine: ScriptedEngine, *, is_remote: bool = False) -> Supervisor:
        supervisor = Supervisor(
            engine, is_remote=is_remote, back_off_seconds=SOON, poll_seconds=0.001, last_errors=lambda: ["Oops <b>"]
        )
        made.append(supervisor)
        for module in ("admin.engine", "limits"):
            monkeypatch.setattr(f"inference.{module}.get_supervisor", lambda: supervisor)
        supervisor.start_in_background()
        supervisor._board.wait_settled(10)
        return supervisor

    yield begin
    for supervisor in made:
        supervisor.stop()


def wait_for(supervisor: Supervisor, state: str, act: Callable[[], object]) -> None:
    """Do something, and wait until the engine comes to that state by it."""
    reached = threading.Event()
    supervisor.subscribe(lambda status: reached.set() if status.state == state else None)
    act()
    assert reached.wait(10), supervisor.status


def test_only_staff_sees_it_and_only_superusers_give_orders(
    run: Run, client: Client, staff: Client, root: Client
) -> None:
    engine = ShownEngine()
    run(engine)
    person = Client()
    person.force_login(User.objects.create_user("ann"))
    for stranger in (client, person):
        for path in (PAGE, *(f"{PAGE}{order}/" for order in ORDERS)):
            for response in (stranger.get(path), stranger.post(path)):
                assert response.status_code == 302
                assert response["Location"].startswith("/admin/login/")
    assert staff.get(PAGE).status_code == 200
    assert "data-order" not in staff.get(PAGE).content.decode()
    for order in ORDERS:
        assert staff.get(f"{PAGE}{order}/").status_code == 403
        assert staff.post(f"{PAGE}{order}/").status_code == 403
    assert 'data-order="restart"' in root.get(PAGE).content.decode()
    assert root.post(PAGE).status_code == 405
    assert root.get(f"{PAGE}explode/").status_code == 404
    assert Client(enforce_csrf_checks=True).post(f"{PAGE}stop/").status_code in (302, 403)
    assert (engine.starts, engine.stops) == (1, 0)


def test_it_shows_what_the_engine_is_and_does(run: Run, staff: Client) -> None:
    run(ShownEngine())
    html = staff.get(PAGE).content.decode()
    for shown in ("3 running, 0 waiting", "25 %", "http://gpu:8001", "Warming up", "0.32.0", "0 of 1", "4,096 tokens"):
        assert shown in html
    assert "&lt;128&gt;" in html
    assert "Oops &lt;b&gt;" in html
    refreshed = staff.get(PAGE, HTTP_HX_REQUEST="true").content.decode()
    assert refreshed.startswith('<div id="engine-facts"')
    assert "25 %" in refreshed


def test_a_restart_is_no_failure_and_an_engine_that_was_stopped_stays_so(run: Run, root: Client) -> None:
    engine = ShownEngine()
    supervisor = run(engine)
    asked = root.get(f"{PAGE}restart/").content.decode()
    assert "go on by themselves" in asked
    assert engine.starts == 1, "asking does nothing"
    for times in range(2, 9):  # more often than an engine may fail
        wait_for(supervisor, "ready", lambda: root.post(f"{PAGE}restart/"))
        assert engine.starts == times
    assert supervisor.history.failure is None
    wait_for(supervisor, "stopped", lambda: root.post(f"{PAGE}stop/"))
    assert not engine.is_started
    page = root.get(PAGE).content.decode()
    assert "An administrator has stopped the engine." in page
    assert 'data-order="start"' in page
    assert 'data-order="stop"' not in page
    refused = root.post(f"{PAGE}restart/", follow=True).content.decode()
    assert "not possible" in refused
    assert engine.starts == 8
    wait_for(supervisor, "ready", lambda: root.post(f"{PAGE}start/"))
    assert engine.starts == 9


def test_an_engine_that_failed_is_shown_why_and_can_be_started(run: Run, root: Client) -> None:
    engine = ShownEngine([EngineFailedError("It is too large.", "Use a smaller one.")])
    supervisor = run(engine)
    page = root.get(PAGE).content.decode()
    assert 'data-state="failed"' in page
    assert "It is too large. Use a smaller one." in page
    wait_for(supervisor, "ready", lambda: root.post(f"{PAGE}start/"))
    page = root.get(PAGE).content.decode()
    assert 'data-state="ready"' in page
    assert "It is too large. Use a smaller one." in page, "the last failure stays to be seen"


def test_a_server_of_somebody_else_is_only_asked_again(run: Run, root: Client) -> None:
    engine = ShownEngine()
    supervisor = run(engine, is_remote=True)
    page = root.get(PAGE).content.decode()
    assert "Reconnect" in page
    assert 'data-order="stop"' not in page
    assert "not possible" in root.post(f"{PAGE}stop/", follow=True).content.decode()
    wait_for(supervisor, "ready", lambda: root.post(f"{PAGE}restart/"))
    assert (engine.starts, engine.stops) == (2, 0)
