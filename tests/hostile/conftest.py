"""A site that many hostile visitors share; after each test it must be as well as before."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import httpx
import pytest

from tests.conftest import NewSite
from tests.hostile.visitor import Visitor
from tests.scripted_server import ScriptedServer
from tests.site_process import PASSWORD, SiteProcess


def pytest_configure(config: pytest.Config) -> None:
    # Of a long text that is refused wrongly: hypothesis would tell of its own trouble to print it instead.
    config.addinivalue_line("filterwarnings", "ignore:Generating overly large repr")


RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\d \d\d:)", re.MULTILINE)
ROOT = f"User.objects.create_superuser('root', password={PASSWORD!r})"


@dataclass(frozen=True, slots=True)
class HostedSite:
    """Its engine writes what `script` says; `key` is Ann's."""

    site: SiteProcess
    script: ScriptedServer = field(repr=False)
    key: str = field(repr=False)

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """From its database, past its own code."""
        with closing(sqlite3.connect(self.site.folder / "db.sqlite3", timeout=20)) as connection:
            return list(connection.execute(query, values))


@pytest.fixture(scope="session")
def hosted(new_site: NewSite) -> Iterator[HostedSite]:
    script = ScriptedServer().start()
    site = new_site(
        ENGINE="vllm-server",
        VLLM_SERVER_URL=script.url,
        MODEL_NAME="scripted",
        ALLOW_SIGNUP="True",
        EMAIL_URL="smtp://127.0.0.1:9",
        EMAIL_FROM="localai@example.org",
    )
    made = site.manage("shell", "-v0", "-c", f"from django.contrib.auth.models import User; {ROOT}")
    assert made.returncode == 0, made.stderr
    try:
        site.start().wait_ready()
        key = site.manage("create_api_key", "ann").stdout.strip().splitlines()[-1]
        yield HostedSite(site, script, key)
    finally:
        site.stop()
        script.stop()


def visitor(hosted: HostedSite, name: str = "") -> Iterator[Visitor]:
    visiting = Visitor(hosted.site, name)
    yield visiting
    visiting.close()


@pytest.fixture(scope="session")
def ann(hosted: HostedSite) -> Iterator[Visitor]:
    yield from visitor(hosted, "ann")


@pytest.fixture(scope="session")
def bob(hosted: HostedSite) -> Iterator[Visitor]:
    yield from visitor(hosted, "bob")


@pytest.fixture(scope="session")
def root(hosted: HostedSite) -> Iterator[Visitor]:
    yield from visitor(hosted, "root")


@pytest.fixture(scope="session")
def stranger(hosted: HostedSite) -> Iterator[Visitor]:
    yield from visitor(hosted)


def broken_records(log: str) -> list[str]:
    """Errors and tracebacks; Django tells with one, as a warning, that somebody may not do something."""
    return [each for each in RECORD.split(log) if is_broken(*each.partition("]: ")[::2])]


def is_broken(head: str, told: str) -> bool:
    """A wrong name of the host is an error to Django, too; but of the client, and told in a line."""
    is_error = " ERROR " in head and " django.security." not in head
    return is_error or ("Traceback" in told and " WARNING " not in head)


@pytest.fixture(autouse=True)
def unharmed(hosted: HostedSite) -> Iterator[None]:
    """Nothing in the log of what broke, and the site answers."""
    before = len(hosted.site.log)
    yield
    assert not (broken := broken_records(hosted.site.log[before:])), "\n".join(broken[:5])
    assert httpx.get(f"{hosted.site.url}/readyz", trust_env=False, timeout=10).status_code == httpx.codes.OK
