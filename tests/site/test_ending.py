"""A server that is told to end does, however many requests are under way."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil

from tests.site_process import SiteProcess
from tests.viewer import Person

READERS = 12
END_SECONDS = 20


def test_a_server_ends_in_mid_request(tmp_path: Path) -> None:
    settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": "http://127.0.0.1:9", "MODEL_NAME": "scripted"}
    site = SiteProcess(tmp_path, **settings).prepare().start()
    ann = Person(site)
    address = site.url + ann.new_conversation(site)
    pages: list[int] = []

    def read() -> None:
        with httpx.Client(headers=ann.headers, trust_env=False, timeout=END_SECONDS) as client:
            while True:
                pages.append(client.get(address).status_code)

    try:
        with ThreadPoolExecutor(READERS) as pool:
            readers = [pool.submit(read) for _ in range(READERS)]
            while len(pages) < READERS * 3:
                time.sleep(0.01)
            server = site.family()[0]
            server.terminate()
            _, alive = psutil.wait_procs([server], timeout=END_SECONDS)
            for process in alive:
                process.kill()
            assert not alive
            assert set(pages) == {httpx.codes.OK}
            assert all(isinstance(reader.exception(), httpx.HTTPError) for reader in readers)
    finally:
        site.stop()
