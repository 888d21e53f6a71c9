"""Every text that a person sees is marked, and German has them all. `make translations` gathers and compiles them."""

from __future__ import annotations

import gettext
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
GERMAN = Path("locale/de/LC_MESSAGES/django.po")
SOURCES = ("chat", "inference", "localai_site", "templates", "locale")
MAKE_MESSAGES = re.search(r"manage\.py (makemessages .*)", (ROOT / "Makefile").read_text())

WORD = re.compile(r"[^\W\d_]{2,}")
SAME_IN_ALL_LANGUAGES = {"LocalAI", "Ctrl", "Esc", "Enter", "Shift", "Markdown", "JSON", "Harmony", "ChatGPT", "WebUI"}
SEEN_ATTRIBUTES = {"title", "aria-label", "placeholder", "alt", "hx-confirm", "label"}


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, with German as `make translations` would leave it."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "training", "*.mo"))
    shutil.copy(ROOT / "manage.py", copy)
    assert MAKE_MESSAGES
    environment = os.environ | {"LOCALAI_ENV_FILE": str(ROOT / "tests" / "test.env")}
    command = [sys.executable, "manage.py", *MAKE_MESSAGES[1].split()]
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True, timeout=120)
    return copy


def entries(po: Path, *which: str) -> str:
    """Those of a catalogue, as it has them."""
    command = ["msgattrib", "--no-obsolete", "--no-wrap", *which, str(po)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def compiled(mo: Path) -> dict[str, str]:
    """Source text → translation; of texts that count, one for each form."""
    with mo.open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    texts: dict[str, str] = catalogue._catalog  # type: ignore[attr-defined]  # what makes it one, and is not public
    return {key: text for key, text in texts.items() if key}


def test_german_has_every_text(gathered: Path) -> None:
    assert entries(gathered / GERMAN, "--untranslated") == ""
    assert entries(gathered / GERMAN, "--only-fuzzy") == ""


def test_german_is_gathered_and_compiled(gathered: Path, tmp_path: Path) -> None:
    """Else: `make translations`."""
    fresh = tmp_path / "django.mo"
    command = ["msgfmt", "--check", "--output-file", str(fresh), str(gathered / GERMAN)]
    checked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    assert compiled((ROOT / GERMAN).with_suffix(".mo")) == compiled(fresh)


class _Seen(HTMLParser):
    """Collects what a person sees of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [value or "" for name, value in attrs if name in SEEN_ATTRIBUTES]


def unmarked(template: str) -> set[str]:
    """Words that are there in every language."""
    template = re.sub(r"(?s)\{% (blocktranslate|comment)\b.*?\{% end\1 %\}", "", template)
    template = re.sub(r"(</?)\{\{.*?\}\}", r"\1x", template)  # an element whose name is a variable
    seen = _Seen()
    seen.feed(re.sub(r"(?s)\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", "", template))
    return {word for text in seen.texts for word in WORD.findall(text)} - SAME_IN_ALL_LANGUAGES


def test_no_template_speaks_english_alone() -> None:
    templates = (ROOT / "templates").rglob("*.html")
    found = {path.name: unmarked(path.read_text(encoding="utf-8")) for path in templates}
    assert {name: words for name, words in found.items() if words} == {}


def test_words_that_are_not_marked_are_found() -> None:
    assert unmarked('<p title="Read me">{% translate "Fine" %} {{ name }} not so</p>') == {"Read", "me", "not", "so"}
    assert (
        unmarked('{% blocktranslate count n=1 %}One{% plural %}Many{% endblocktranslate %} <b id="none">1 s</b>')
        == set()
    )
