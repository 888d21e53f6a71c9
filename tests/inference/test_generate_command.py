"""`manage.py generate`, as a process of its own, over an engine that writes what the test tells it to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.scripted_server import Script, ScriptedServer, harmony, reply
from tests.site_process import ROOT, SiteProcess, free_port


@pytest.fixture
def site(script: ScriptedServer, tmp_path: Path) -> SiteProcess:
    return SiteProcess(tmp_path, ENGINE="vllm-server", VLLM_SERVER_URL=script.url, MODEL_NAME="scripted")


def test_the_answer_alone_is_on_standard_output(site: SiteProcess, script: ScriptedServer) -> None:
    script.enqueue(reply("Hm, let me see.", "Forty-two."))
    done = site.manage("generate", "What?")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Forty-two.\n"
    assert "Hm, let me see." in done.stderr
    assert "[complete: 6 thinking + 4 answer tokens" in done.stderr


def test_json_is_one_event_a_line(site: SiteProcess, script: ScriptedServer) -> None:
    script.enqueue(reply("Hm.", "Yes."))
    done = site.manage("generate", "What?", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["start", "done"]
    assert "".join(event["text"] for event in events if event["event"] == "analysis") == "Hm."
    assert "".join(event["text"] for event in events if event["event"] == "final") == "Yes."
    assert events[-1]["outcome"] == "complete"
    assert events[0]["prompt_tokens"] > 50


def test_options_reach_the_model(site: SiteProcess, script: ScriptedServer) -> None:
    from inference.harmony import visible_prompt

    site.manage("generate", "Hi", "--effort", "high", "--max-tokens", "7", "--instructions", "Be brief.", "--seed", "5")
    request = script.requests[0]
    assert (request["max_tokens"], request["seed"]) == (7, 5)
    ids = request["prompt"]
    assert isinstance(ids, list)
    assert "Reasoning: high" in visible_prompt(ids)
    assert "# Instructions\n\nBe brief." in visible_prompt(ids)


def test_cut_at_the_limit_is_an_answer(site: SiteProcess, script: ScriptedServer) -> None:
    script.enqueue(reply("", "word " * 50))
    done = site.manage("generate", "Hi", "--max-tokens", "10")
    assert done.returncode == 0
    assert "[length: " in done.stderr


def test_a_prompt_from_standard_input(site: SiteProcess, script: ScriptedServer) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "generate", "-"],
        input="From a pipe",
        cwd=ROOT,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["  "], 2, "Write something first"),
        (["Hi", "--effort", "huge"], 2, "invalid choice: 'huge'"),
        (["Hi", "--max-tokens", "0"], 2, "max_tokens must be at least 1"),
        (["word " * 3000], 2, "at most 2,000 fit"),
        ([], 2, "required: prompt"),
    ],
)
def test_bad_input_is_status_2_and_one_line(site: SiteProcess, arguments: list[str], status: int, told: str) -> None:
    done = site.manage("generate", *arguments)
    assert done.returncode == status
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_that_breaks_is_status_1_with_its_words(site: SiteProcess, script: ScriptedServer) -> None:
    for text in ("<|channel|>final<|message|>Half", " of", " it"):
        script.enqueue(harmony(text), finish_reason=None)
    done = site.manage("generate", "Hi")
    assert (done.returncode, done.stdout) == (1, "Half of it\n")
    assert "Traceback" not in done.stderr


def test_no_engine_is_status_3_and_one_line(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = SiteProcess(tmp_path, ENGINE="vllm-server", VLLM_SERVER_URL=url).manage("generate", "Hi", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["event"] == "error"
    missing = SiteProcess(tmp_path, MODEL_NAME="/no/such/model").manage("generate", "Hi")
    assert missing.returncode == 3
    assert missing.stderr.count("\n") == 1
    assert "no model folder /no/such/model" in missing.stderr


def test_ctrl_c_is_status_130_and_frees_the_engine(site: SiteProcess, script: ScriptedServer) -> None:
    script.scripts.append(Script(reply("", "word " * 900), seconds_per_token=0.02))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "generate", "Hi"],
        cwd=ROOT,
        env=site.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.read(4) == b"word"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert script.dropped == 1


def test_ctrl_c_while_the_model_loads_ends_it(tmp_path: Path) -> None:
    site = SiteProcess(tmp_path, MODEL_NAME="demo")
    with subprocess.Popen(
        [sys.executable, "manage.py", "generate", "Hi", "-v2"],
        cwd=ROOT,
        env=site.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        lock = site.folder / "cache" / "localai" / "engine.lock"
        while not lock.exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    log = lock.with_name("engine.log")
    assert "init engine" not in (log.read_text() if log.exists() else ""), "it did not wait for the model first"
