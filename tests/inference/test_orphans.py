"""However a server ends, nothing of its engine is left: real servers, real vLLM, the demo model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from tests.site_process import ROOT, SiteProcess

GONE_SECONDS = 5.0
START_SECONDS = 200.0
MIB = 2**20

RELOADING_SETTINGS = "from localai_site.settings import *\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteProcess]:
    site = SiteProcess(tmp_path_factory.mktemp("orphans"), MODEL_NAME="demo").prepare()
    yield site
    end(site)


def end(site: SiteProcess) -> None:
    """Leave nothing behind, also after a test that failed."""
    if site.process is not None:
        family = family_of(site.process)
        site.stop(signal.SIGKILL)
        for process in family:
            if process.is_running():
                process.kill()


def family_of(process: subprocess.Popen[bytes] | None) -> list[psutil.Process]:
    assert process is not None
    return psutil.Process(process.pid).children(recursive=True)


def wait_until(condition: Callable[[], bool], seconds: float, site: SiteProcess) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, site.log[-3000:]
        time.sleep(0.02)


def engine_processes(site: SiteProcess) -> list[psutil.Process]:
    """What vLLM spawned, from its first moment on."""
    found = []
    for process in family_of(site.process):
        try:
            if "--multiprocessing-fork" in process.cmdline() or "EngineCore" in process.name():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for_import(site: SiteProcess) -> None:
    """Until vLLM's process is about to import what it needs: its plugins come seconds later."""
    wait_until(lambda: any(is_importing(process) for process in engine_processes(site)), START_SECONDS, site)


def is_importing(process: psutil.Process) -> bool:
    try:
        return process.memory_info().rss > 60 * MIB
    except psutil.NoSuchProcess:
        return False


def assert_gone(family: list[psutil.Process]) -> None:
    assert family
    assert not psutil.wait_procs(family, timeout=GONE_SECONDS)[1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_server_that_ends_during_the_start_leaves_nothing(site: SiteProcess, number: int) -> None:
    site.start()
    wait_for_import(site)
    family = family_of(site.process)
    site.stop(number)
    assert_gone(family)


def test_a_second_engine_is_refused_until_the_first_server_is_killed(site: SiteProcess) -> None:
    site.start().wait_ready(START_SECONDS)
    family = family_of(site.process)
    assert [process for process in family if "EngineCore" in process.name()]
    second = site.manage("generate", "Hi")
    assert second.returncode == 3
    assert site.process is not None
    assert f"pid {site.process.pid}" in second.stderr
    site.stop(signal.SIGKILL)
    site.start()
    assert_gone(family)
    site.wait_ready(START_SECONDS)
    family = family_of(site.process)
    site.stop(signal.SIGTERM)
    assert_gone(family)


def test_the_development_server_reloads_and_ends_without_leaving_anything(site: SiteProcess) -> None:
    settings = site.folder / "reloading.py"
    settings.write_text(RELOADING_SETTINGS)
    development = {"DJANGO_SETTINGS_MODULE": "reloading", "PYTHONPATH": str(site.folder), "DEBUG": "True"}
    with (site.folder / "server.log").open("ab") as log:
        site.process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", f"127.0.0.1:{site.port}"],
            cwd=ROOT,
            env=site.environment | development,
            stdout=log,
            stderr=log,
        )
    wait_until(lambda: answers(site), START_SECONDS, site)
    (server,) = psutil.Process(site.process.pid).children()
    family = [server, *server.children(recursive=True)]
    assert [process for process in family if "EngineCore" in process.name()]
    os.utime(settings, (time.time() + 10, time.time() + 10))
    server.wait(30)
    assert_gone(family)
    wait_for_import(site)
    family = family_of(site.process)
    site.stop(signal.SIGTERM)
    assert_gone(family)


def answers(site: SiteProcess) -> bool:
    """Whether the engine is ready; the development server's address is closed before it serves."""
    try:
        return httpx.get(f"{site.url}/readyz", trust_env=False, timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
