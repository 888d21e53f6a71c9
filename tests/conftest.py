"""Fixtures that tests of several packages share: engines and sites on the real vLLM, each started once."""

from __future__ import annotations

import asyncio
import gc
import shutil
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import translation

from inference.demo import materialise
from inference.engine import Engine
from inference.engines.local import LocalEngine
from inference.refusals import refusals
from tests.engine_processes import MAX_MODEL_LEN, LocalProcess, ServerProcess, free_port
from tests.scripted_server import ScriptedServer
from tests.site_process import SiteProcess

NewSite = Callable[..., SiteProcess]


def pytest_configure(config: pytest.Config) -> None:
    # vLLM leaves it to the garbage collector when an engine is stopped.
    config.addinivalue_line("filterwarnings", "ignore:Unclosed context <zmq:ResourceWarning")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Collect the last engine's while warnings can still be ignored; the tests' refusals are for no database."""
    refusals.forget()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """What a page was asked for in German leaves the thread in German."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    """Of the tries that other tests have made."""
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def every_look_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each test's pages came a while after the last one's."""
    monkeypatch.setattr("chat.pace.SECONDS", 0.0)


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not the developer's own: neither the lock nor the log of a running site is touched."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def static_files() -> None:
    """Pages name their static files by content; a fresh clone has none of them yet."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(scope="session")
def model_folder(cache_folder: Path) -> Path:
    """The demo model as vLLM loads it."""
    return materialise(cache_folder)


@pytest.fixture(scope="session")
async def local_process(cache_folder: Path) -> AsyncIterator[LocalProcess]:
    process = LocalProcess(LocalEngine("demo", MAX_MODEL_LEN, {}, "", cache_folder))
    await asyncio.to_thread(process.start)
    yield process
    await asyncio.to_thread(process.engine.stop)


@pytest.fixture(scope="session")
def server_process(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(model_folder, tmp_path_factory.mktemp("server") / "log", free_port())
    try:
        process.start()
        yield process
    finally:
        process.engine.stop()
        process.kill()


@pytest.fixture(scope="session")
def local_engine(local_process: LocalProcess) -> Engine:
    return local_process.engine


@pytest.fixture(scope="session")
def server_engine(server_process: ServerProcess) -> Engine:
    return server_process.engine


@pytest.fixture(scope="session")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> NewSite:
    """Makes a site with the people ann and bob; the database is migrated once and copied."""
    first = SiteProcess(tmp_path_factory.mktemp("site"), MODEL_NAME="demo").prepare()

    def made(**settings: str) -> SiteProcess:
        site = SiteProcess(tmp_path_factory.mktemp("site"), **settings)
        shutil.copy(first.folder / "db.sqlite3", site.folder / "db.sqlite3")
        return site

    return made


@pytest.fixture(scope="session")
def demo_site(new_site: NewSite) -> Iterator[SiteProcess]:
    """The product as `make run` serves it without a GPU: vLLM in its process, the demo model."""
    site = new_site(MODEL_NAME="demo")
    try:
        yield site.start().wait_ready()
    finally:
        site.stop()


@pytest.fixture
def script() -> Iterator[ScriptedServer]:
    """An engine over HTTP that writes what the test tells it to."""
    server = ScriptedServer().start()
    yield server
    server.stop()
