"""Machines with and without a graphics card, as far as `nvidia-smi` tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


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
