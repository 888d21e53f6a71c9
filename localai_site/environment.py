"""Reads typed values from the environment and `.env`.

A bad value raises ImproperlyConfigured in one line that names variable, value and what is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

Value = TypeVar("Value")

SHOWN_CHARACTERS = 80


class Environment:
    """The process environment, completed by a `.env` file where a variable is not set."""

    def __init__(self, dotenv: Path) -> None:
        self._env = environ.Env()
        if dotenv.is_file():
            self._env.read_env(str(dotenv))

    def text(self, name: str, default: str = "") -> str:
        return str(self._env.str(name, default)).strip()

    def boolean(self, name: str, default: bool) -> bool:
        words = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        return self._read(name, str(default), lambda raw: words[raw.lower()], "True or False")

    def positive_integer(self, name: str, default: int) -> int:
        def parse(raw: str) -> int:
            value = int(raw)
            if value < 1:
                raise ValueError(raw)
            return value

        return self._read(name, str(default), parse, "a whole number of at least 1")

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        def parse(raw: str) -> str:
            if raw not in choices:
                raise ValueError(raw)
            return raw

        return self._read(name, default, parse, f"one of {', '.join(choices)}")

    def words(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """A comma-separated list."""
        raw = self.text(name)
        return [word.strip() for word in raw.split(",") if word.strip()] if raw else list(default)

    def json_object(self, name: str) -> dict[str, object]:
        def parse(raw: str) -> dict[str, object]:
            value = json.loads(raw)
            if not isinstance(value, dict):
                raise ValueError(raw)
            return value

        return self._read(name, "{}", parse, 'a JSON object such as {"gpu_memory_utilization": 0.9}')

    def _read(self, name: str, default: str, parse: Callable[[str], Value], allowed: str) -> Value:
        raw = self.text(name) or default
        try:
            return parse(raw)
        except (KeyError, ValueError) as error:
            shown = raw if len(raw) <= SHOWN_CHARACTERS else raw[:SHOWN_CHARACTERS] + "…"
            raise ImproperlyConfigured(f"{name} is {shown!r}; it must be {allowed}.") from error
