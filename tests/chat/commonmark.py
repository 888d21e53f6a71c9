"""The CommonMark specification's examples, from the source distribution of the parser that is installed."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest

PARSER = "markdown-it-py"


def examples(config: pytest.Config) -> list[str]:
    """Downloaded once: wheels have no tests."""
    assert config.cache is not None
    folder = Path(config.cache.mkdir(f"commonmark-{metadata.version(PARSER)}"))
    if not list(folder.glob("*.tar.gz")):
        _download(folder)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        name = next(name for name in archive.getnames() if name.endswith("/commonmark.json"))
        member = archive.extractfile(name)
        assert member is not None
        return [example["markdown"] for example in json.load(member)]


def _download(folder: Path) -> None:
    wanted = f"{PARSER}=={metadata.version(PARSER)}"
    options = ["--quiet", "--no-deps", "--no-binary", PARSER, "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, wanted], check=True)
