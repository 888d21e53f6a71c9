"""A site that is looked at and never asked: conversations are there, its engine is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.site_process import SiteProcess

SETTINGS = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": "http://127.0.0.1:9", "MODEL_NAME": "scripted"}


def fill(site: SiteProcess, call: str) -> str:
    """Call something of `tests.bench.seed`; returns its result as text."""
    done = site.manage("shell", "-v0", "-c", f"from tests.bench import seed; print(seed.{call})")
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


@contextmanager
def filled_site(folder: Path, *calls: str, **settings: str) -> Iterator[tuple[SiteProcess, list[str]]]:
    """Filled before it starts; the calls' results come with it."""
    folder.mkdir()
    site = SiteProcess(folder, **{**SETTINGS, **settings}).prepare()
    results = [fill(site, call) for call in calls]
    try:
        yield site.start(), results
    finally:
        site.stop()
