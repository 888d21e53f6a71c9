"""What load balancers and scripts are told."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from inference.engine import EngineFacts, ProgressListener
from inference.errors import EngineFailedError
from inference.supervisor import Supervisor
from tests.inference.test_supervisor import ScriptedEngine


class LoudEngine(ScriptedEngine):
    """Fails with all that can be told."""

    def start(self, on_progress: ProgressListener) -> EngineFacts:
        raise EngineFailedError("It is too large.", "Use a smaller one.", ["ValueError: 5", "Failed."])


def test_a_living_server_is_alive_whatever_its_engine_does(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_readiness_says_why_not(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Supervisor(LoudEngine())
    monkeypatch.setattr("inference.health.get_supervisor", lambda: supervisor)
    stopped = client.get("/readyz")
    assert stopped.status_code == 503
    assert stopped.json() == {"state": "stopped", "text": "", "reason": "", "fix": "", "log": []}
    supervisor.start_in_background()
    with pytest.raises(EngineFailedError):
        supervisor.wait_ready(10)
    failed = client.get("/readyz")
    supervisor.stop()
    assert failed.status_code == 503
    assert failed.json() == {
        "state": "failed",
        "text": "",
        "reason": "It is too large.",
        "fix": "Use a smaller one.",
        "log": ["ValueError: 5", "Failed."],
    }


def test_readiness_is_a_status(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Supervisor(ScriptedEngine())
    monkeypatch.setattr("inference.health.get_supervisor", lambda: supervisor)
    supervisor.start_in_background()
    supervisor.wait_ready(10)
    response = client.get("/readyz")
    supervisor.stop()
    assert (response.status_code, response.json()["state"]) == (200, "ready")


def test_both_answer_under_any_name_and_while_the_database_is_away(client: Client, settings: Settings) -> None:
    """No fixture here lets a test use the database; a page with this cookie would."""
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["chat.example.org"], True
    client.cookies["sessionid"] = "somebodys"
    assert client.get("/healthz", headers={"Host": "10.0.0.7"}).status_code == 200
    assert client.get("/readyz", headers={"Host": "10.0.0.7"}).status_code == 503
