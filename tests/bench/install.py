"""What the site without an engine takes to install: distributions, and bytes on the disk."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from tests.bench.figures import at_most, ours_alone
from tests.bench.report import Section
from tests.site_process import ROOT

MEGABYTE = 1e6
BLOCK = 512
DISTRIBUTIONS_TARGET = at_most(60)
MEGABYTES_TARGET = at_most(150)


@dataclass(frozen=True, slots=True)
class Installation:
    """A fresh virtual environment with pip, which is one of its distributions."""

    distributions: int
    megabytes: float
    seconds: float


def measure_installation(folder: Path) -> Section:
    """With pip's cache; what is not in there comes from the package index."""
    installation = install(folder)
    figures = [
        ours_alone(
            "Distributions, pip included",
            [installation.distributions],
            "distributions",
            DISTRIBUTIONS_TARGET,
            "262 distributions",
        ),
        ours_alone("On the disk", [installation.megabytes], "MB", MEGABYTES_TARGET, "7,437 MB"),
        ours_alone("Installing, from pip's cache as far as it goes", [installation.seconds], "s", None, "363 s"),
    ]
    return Section("Installation of the site without an engine", figures, [installation])


def install(folder: Path) -> Installation:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "-qq"]
    subprocess.run([*pip, "--no-compile", "-r", "base.txt"], cwd=ROOT / "requirements", check=True)
    seconds = time.perf_counter() - began
    (packages,) = folder.glob("lib/python*/site-packages")
    found = len(list(distributions(path=[str(packages)])))
    return Installation(found, _bytes(folder) / MEGABYTE, seconds)


def _bytes(folder: Path) -> int:
    """On the disk, where files take whole blocks."""
    return sum(path.lstat().st_blocks * BLOCK for path in folder.rglob("*"))
