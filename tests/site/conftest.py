"""Machines with and without a graphics card, as far as `nvidia-smi` tells; a running site with a scripted engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import NewSite
from tests.scripted_server import ScriptedServer
from tests.site_process import SiteProcess


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program of that name on the PATH, with these lines of shell."""

    def put(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return put


@pytest.fixture
def with_gpu(nvidia_smi: Callable[[str], None]) -> None:
    nvidia_smi("echo 'GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-0)'")


@pytest.fixture
def without_gpu(nvidia_smi: Callable[[str], None]) -> None:
    nvidia_smi("echo 'Unable to determine the device handle for GPU 0000:01:00.0'; exit 15")


@dataclass(frozen=True, slots=True)
class ScriptedSite:
    """A site whose engine writes what a test tells `script` to; `key` is Ann's."""

    site: SiteProcess
    script: ScriptedServer
    key: str


@pytest.fixture(scope="session")
def scripted_site(new_site: NewSite) -> Iterator[ScriptedSite]:
    script = ScriptedServer().start()
    site = new_site(ENGINE="vllm-server", VLLM_SERVER_URL=script.url, MODEL_NAME="scripted")
    try:
        yield ScriptedSite(site.start().wait_ready(), script, new_key(site))
    finally:
        site.stop()
        script.stop()


def new_key(site: SiteProcess) -> str:
    return site.manage("create_api_key", "ann").stdout.strip().splitlines()[-1]
