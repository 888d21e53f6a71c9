"""A clock that is set back an hour, as a machine's may be: what breaks is still noticed, and its socket closed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.chaos.clock import Clock
from tests.conftest import NewSite
from tests.guests import guests
from tests.site_process import SiteProcess

SECONDS = 20
BROKEN = 1011


def broken_socket(site: SiteProcess, cookie: str) -> int | None:
    """The code with which the server closes it."""
    with (
        connect(
            f"ws://127.0.0.1:{site.port}/ws/c/00000000-0000-0000-0000-000000000000/",
            origin=Origin(site.url),
            additional_headers={"Cookie": cookie},
            ping_interval=None,
        ) as socket,
        pytest.raises(ConnectionClosedError),
    ):
        socket.recv(SECONDS)
    return socket.close_code


def test_a_clock_that_is_set_back_stops_no_timer(new_site: NewSite, tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    site = new_site(ENGINE="vllm-server", VLLM_SERVER_URL="http://127.0.0.1:9", MODEL_NAME="demo", **clock.environment)
    try:
        site.start()
        cookie = guests(site, 1)[0].headers["Cookie"]
        with closing(sqlite3.connect(site.folder / "db.sqlite3", timeout=20)) as database, database:
            database.execute("ALTER TABLE chat_conversation RENAME TO gone")
        clock.jump(3600)
        assert broken_socket(site, cookie) == BROKEN
        clock.jump(0)
        assert broken_socket(site, cookie) == BROKEN
    finally:
        site.stop()
