"""Reads typed values from the environment and `.env`.

A bad value raises ImproperlyConfigured in one line that names variable, value and what is allowed. A secret may be in
a file instead, which SECRET_KEY_FILE and the like name; its value is never shown.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

Value = TypeVar("Value")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SHOWN_CHARACTERS = 80

SECRETS = (
    "VLLM_SERVER_URL",
    "VLLM_SERVER_API_KEY",
    "HF_TOKEN",
    "DATABASE_URL",
    "REDIS_URL",
    "EMAIL_URL",
    "SECRET_KEY",
    "METRICS_TOKEN",
)
"""What may hold a key or a password."""

TELLING_CHARACTERS = 12
"""So long a secret is no ordinary word, which would be missing in other places."""


class Environment:
    """The process environment, completed by a `.env` file where a variable is not set."""

    def __init__(self, dotenv: Path) -> None:
        self._env = environ.Env()
        self._secrets: set[str] = set()
        self.secret_files: dict[str, Path] = {}
        if dotenv.is_file():
            self._env.read_env(str(dotenv))

    @property
    def secrets(self) -> frozenset[str]:
        """Keys and passwords among the values that were read: what no log may have."""
        return frozenset(secret for secret in self._secrets if len(secret) >= TELLING_CHARACTERS)

    def text(self, name: str, default: str = "") -> str:
        value = self._value(name)
        if name in SECRETS and self._value(f"{name}_FILE"):
            if value:
                raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; set one of them.")
            value = self._content(name)
        if value and name in SECRETS:
            self._secrets.update(_keys_in(value))
        return value or default

    def _value(self, name: str) -> str:
        # Not through Env.str: it takes a value that begins with $ for another variable's name.
        return str(self._env.ENVIRON.get(name, "")).strip()

    def _content(self, name: str) -> str:
        """What is in the file that NAME_FILE names."""
        path = self._value(f"{name}_FILE")
        try:
            content = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ImproperlyConfigured(f"{name}_FILE is {path!r}, which cannot be read: {reason}.") from error
        self.secret_files[f"{name}_FILE"] = Path(path)
        if not content:
            raise ImproperlyConfigured(f"{name}_FILE is {path!r}; it must be a file that is not empty.")
        return content

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
            if raw:
                _check_address(raw, schemes)
            return raw

        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        return self._read(name, default, parse, f"an address that begins with {allowed}")

    def mail_server(self, name: str) -> dict[str, object]:
        """Django's settings for an address such as smtp+tls://user:password@host:587; none where it is empty."""
        schemes = ("smtp", "smtp+tls", "smtp+ssl", "consolemail")

        def parse(raw: str) -> dict[str, object]:
            if raw:
                _check_address(raw, schemes)
            return dict(environ.Env.email_url_config(raw)) if raw else {}

        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        return self._read(name, "", parse, f"an address that begins with {allowed}")

    def addresses(self, name: str, schemes: Sequence[str]) -> str:
        """URLs with one of these schemes, separated by commas."""

        def parse(raw: str) -> str:
            words = [word.strip() for word in raw.split(",") if word.strip()]
            for word in words:
                _check_address(word, schemes)
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
            shown = "not shown, for it may hold a password" if name in SECRETS else repr(_shortened(raw))
            raise ImproperlyConfigured(f"{name} is {shown}; it must be {allowed}.") from error


def _check_address(address: str, schemes: Sequence[str]) -> None:
    """Raises ValueError."""
    parts = urlsplit(address)
    if parts.scheme not in schemes or parts.port == 0:
        raise ValueError(address)


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _keys_in(value: str) -> set[str]:
    """The passwords of an address, or of several; what is none is a key itself."""
    if "://" not in value:
        return {value}
    found = re.findall(r"://[^/@\s]*?:([^/\s,]+)@", value)
    return {form for password in found for form in (password, unquote(password))}
