"""Python, the installed packages, the static files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from django.conf import settings

from localai_site.doctor.finding import Finding, ok, problem, warning
from localai_site.hardware import has_nvidia_gpu
from localai_site.operations.schema import listed
from localai_site.requirements import LISTS

OLDEST_PYTHON = (3, 11)
PIN = re.compile(r"([\w.-]+)==([\w.+-]+)")


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return problem("Python", f"{version} is too old", "Install Python 3.11 or newer: make run PYTHON=python3.12")
    return ok("Python", version)


def packages() -> Finding:
    pins = [*pinned(LISTS / "base.txt"), *pinned(LISTS / _engine_list())]
    if not pins:
        return warning("Packages", "there are no lists in requirements/", "Copy the whole repository.")
    versions = {name: _installed(name) for name, _ in pins}
    missing = [name for name, _ in pins if versions[name] is None]
    others = [f"{name} {versions[name]} instead of {wanted}" for name, wanted in pins if versions[name] != wanted]
    if missing:
        return problem("Packages", f"{listed(missing)} missing", "Run make run, or pip install -r requirements/…")
    if others:
        return warning("Packages", listed(others), "Run make run: it installs the versions that were tested.")
    return ok("Packages", f"{len(pins)} as pinned")


def static_files() -> Finding:
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    collect = "Run python manage.py collectstatic --no-input"
    if settings.DEBUG:
        return ok("Static files", "served from static/ (DEBUG)")
    if not manifest.is_file():
        return problem("Static files", "not collected; pages will fail", collect)
    collected_at = manifest.stat().st_mtime
    if any(path.stat().st_mtime > collected_at for path in _sources()):
        return warning("Static files", "older than static/", collect)
    return ok("Static files", "collected")


def pinned(path: Path) -> list[tuple[str, str]]:
    """Names and versions of a list in `requirements/`; none where it is not there."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    matches = (PIN.match(line) for line in lines)
    return [(match[1], match[2]) for match in matches if match]


def _engine_list() -> str:
    if settings.ENGINE == "vllm-server":
        return "none"
    return "gpu.txt" if has_nvidia_gpu() else "cpu.txt"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _sources() -> Iterator[Path]:
    for folder in settings.STATICFILES_DIRS:
        yield from (path for path in Path(folder).rglob("*") if path.is_file())
