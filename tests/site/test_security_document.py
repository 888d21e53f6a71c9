"""SECURITY.md names no proof that is not there."""

from __future__ import annotations

import re

from tests.site_process import ROOT


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_threat_has_its_proof() -> None:
    rows = (ROOT / "SECURITY.md").read_text().partition("| threat |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(rows) > 10
    assert [row for row in rows if "`tests/" not in row] == []
