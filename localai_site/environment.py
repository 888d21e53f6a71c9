"""Reads typed values from the environment and `.env`.

A bad value raises ImproperlyConfigured in one line that names variable, value and what is allowed.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

Value = TypeVar("Value")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SHOWN_CHARACTERS = 80


class Environment:
    """The process environment, completed by a `.env` file where a variable is not set."""

    def __init__(self, dotenv: Path) -> None:
        self._env = environ.Env()
        if dotenv.is_file():
            self._env.read_env(str(dotenv))

    def text(self, name: str, default: str = "") -> str:
        # Not through Env.str: it takes a value that begins with $ for another variable's name.
        return str(self._env.ENVIRON.get(name, default)).strip()

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

    def networks(self, name: str, default: str) -> list[Network]:
        """A comma-separated list of addresses and networks, or none."""

        def parse(raw: str) -> list[Network]:
            words = [] if raw.lower() == "none" else raw.split(",")
            return [ipaddress.ip_network(word.strip()) for word in words if word.strip()]

        return self._read(name, default, parse, "networks such as 127.0.0.0/8,10.1.2.0/24, or none")

    def address(self, name: str, default: str, schemes: Sequence[str]) -> str:
        """An URL with one of these schemes, or the empty default."""

        def parse(raw: str) -> str:
            if raw and urlsplit(raw).scheme not in schemes:
                raise ValueError(raw)
            return raw

        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        return self._read(name, default, parse, f"an address that begins with {allowed}")

    def mail_server(self, name: str) -> dict[str, object]:
        """Django's settings for an address such as smtp+tls://user:password@host:587; none where it is empty."""
        schemes = ("smtp", "smtp+tls", "smtp+ssl", "consolemail")

        def parse(raw: str) -> dict[str, object]:
            if raw and urlsplit(raw).scheme not in schemes:
                raise ValueError(raw)
            return dict(environ.Env.email_url_config(raw)) if raw else {}

        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        return self._read(name, "", parse, f"an address that begins with {allowed}")

    def addresses(self, name: str, schemes: Sequence[str]) -> str:
        """URLs with one of these schemes, separated by commas."""

        def parse(raw: str) -> str:
            words = [word.strip() for word in raw.split(",") if word.strip()]
            if not all(urlsplit(word).scheme in schemes for word in words):
                raise ValueError(raw)
            return ",".join(words)

        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        return self._read(name, "", parse, f"addresses that begin with {allowed}, separated by commas")

    def time_zone(self, name: str, default: str) -> str:
        def parse(raw: str) -> str:
            ZoneInfo(raw)
            return raw

        return self._read(name, default, parse, "a time zone such as Europe/Berlin")

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
        except (KeyError, ValueError, OSError) as error:
            shown = raw if len(raw) <= SHOWN_CHARACTERS else raw[:SHOWN_CHARACTERS] + "…"
            raise ImproperlyConfigured(f"{name} is {shown!r}; it must be {allowed}.") from error
