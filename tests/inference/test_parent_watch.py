"""A process that watches its owner ends with it, and nobody else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

from inference.engines import parent_watch
from inference.engines.parent_watch import PLUGIN_FOLDER, VARIABLE

ROOT = Path(__file__).resolve().parents[2]

BY_ITSELF = "from inference.engines.parent_watch import watch; watch()"
AS_VLLM_S_PLUGIN = f"""
import sys
from importlib.metadata import entry_points
sys.path.append({str(PLUGIN_FOLDER)!r})
(plugin,) = [each for each in entry_points(group="vllm.general_plugins") if each.name == "localai"]
plugin.load()()
"""
WITHOUT_DESCRIPTORS = f"import os; del os.pidfd_open; {BY_ITSELF}"
IN_A_STRICT_CONTAINER = f"""
import os
def refuse(process_id):
    raise PermissionError("seccomp")
os.pidfd_open = refuse
{BY_ITSELF}
"""

OWNER = """
import sys, time
from multiprocessing import get_context
from inference.engines.parent_watch import own
from tests.inference.test_parent_watch import spawn_another
own()
child = get_context("spawn").Process(target=spawn_another)
child.start()
time.sleep(600)
"""


def spawn_another() -> None:
    """What vLLM does on several GPUs: the owner's child has children."""
    grandchild = get_context("spawn").Process(target=time.sleep, args=(600,))
    grandchild.start()
    sys.stdout.write(json.dumps([os.getpid(), grandchild.pid]) + "\n")
    sys.stdout.flush()
    time.sleep(600)


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def start(program: str, **environment: str) -> subprocess.Popen[str]:
    """Run it, then wait for the end of standard input."""
    program += "\nimport sys; print('runs', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != VARIABLE} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in ("runs", "")  # it may end in the middle of the line
    return process


def owned_by(process_id: int) -> str:
    return f"{process_id}:{parent_watch._start_time(process_id)}"


def lives_on(process: subprocess.Popen[str]) -> bool:
    """Whether it reaches the end of its input by itself."""
    time.sleep(parent_watch.POLL_SECONDS)
    process.communicate()
    return process.returncode == 0


@pytest.mark.parametrize("program", [BY_ITSELF, AS_VLLM_S_PLUGIN, WITHOUT_DESCRIPTORS, IN_A_STRICT_CONTAINER])
def test_the_end_of_the_owner_is_the_end_of_its_processes(owner: subprocess.Popen[bytes], program: str) -> None:
    with start(program, **{VARIABLE: owned_by(owner.pid)}) as watched:
        with pytest.raises(subprocess.TimeoutExpired):
            watched.wait(0.2)
        owner.kill()
        owner.wait()
        assert watched.wait(2) == -9


def test_an_owner_that_ended_before_counts(owner: subprocess.Popen[bytes]) -> None:
    identity = owned_by(owner.pid)
    owner.kill()
    owner.wait()
    with start(BY_ITSELF, **{VARIABLE: identity}) as watched:
        assert watched.wait(2) == -9


@pytest.mark.parametrize("program", [BY_ITSELF, WITHOUT_DESCRIPTORS])
def test_another_process_with_the_owner_s_number_is_not_the_owner(owner: subprocess.Popen[bytes], program: str) -> None:
    with start(program, **{VARIABLE: f"{owner.pid}:1"}) as watched:
        assert watched.wait(2) == -9


@pytest.mark.parametrize(
    "program", [BY_ITSELF, AS_VLLM_S_PLUGIN, "from inference.engines.parent_watch import own; own()"]
)
def test_without_an_owner_nothing_is_watched(program: str) -> None:
    assert lives_on(start(program))


def test_the_owner_does_not_watch_itself() -> None:
    assert lives_on(start(f"from inference.engines.parent_watch import own; own(); {BY_ITSELF}"))


def test_children_and_their_children_end_with_the_owner() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        family = [psutil.Process(process_id) for process_id in json.loads(process.stdout.readline())]
        process.kill()
        left = psutil.wait_procs(family, timeout=5)[1]
        for orphan in left:
            orphan.kill()
        assert not left
