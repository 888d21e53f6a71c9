"""The settings: what is unsafe, or cannot work as it is meant."""

from __future__ import annotations

import ipaddress
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.utils import timezone

from localai_site.doctor.finding import Finding, ok, problem, warning
from localai_site.first_run import DOTENV
from localai_site.operations.schema import listed

SHORTEST_KEY = 50
FEWEST_CHARACTERS = 10
AT_HOME = (".local", ".lan", ".home", ".internal", ".home.arpa", ".localhost")
WITHOUT_HTTPS = {"security.W004", "security.W008", "security.W012", "security.W016"}
"""Django's warnings that HTTPS=True answers; `encryption` decides whether it is needed."""


def debug() -> Finding:
    if settings.DEBUG:
        fix = "Set DEBUG=False unless you develop on this machine."
        return warning("DEBUG", "on: errors show the settings to whoever meets one", fix)
    return ok("DEBUG", "off")


def secret_key() -> Finding:
    key = settings.SECRET_KEY
    if len(key) < SHORTEST_KEY or len(set(key)) < FEWEST_CHARACTERS or key.startswith("for-development-only"):
        fix = "Set SECRET_KEY to what this prints: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        return problem("SECRET_KEY", "weak; who guesses it can log in as anybody", fix)
    return ok("SECRET_KEY", "long enough")


def encryption() -> Finding:
    public = [host for host in settings.ALLOWED_HOSTS if is_public(host)]
    if public and not settings.HTTPS:
        fix = "Put a TLS proxy before the site and set HTTPS=True; docs/deploy.md has examples."
        return warning("HTTPS", f"off, and {listed(public)} can be public: passwords would travel readably", fix)
    return ok("HTTPS", "on" if settings.HTTPS else "off; this machine or this network only")


def hosts() -> Finding:
    if "*" in settings.ALLOWED_HOSTS:
        return warning("ALLOWED_HOSTS", "* allows any name", "List the names under which the site is reached.")
    return ok("ALLOWED_HOSTS", listed(list(settings.ALLOWED_HOSTS)))


def origins() -> Finding:
    wrong = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if not origin.startswith(("http://", "https://"))]
    if wrong:
        fix = "Write them with their scheme, such as https://chat.example.org"
        return problem("CSRF_TRUSTED_ORIGINS", f"{listed(wrong)} cannot be meant", fix)
    return ok(
        "CSRF_TRUSTED_ORIGINS", listed(list(settings.CSRF_TRUSTED_ORIGINS)) or "none; none is needed without a proxy"
    )


def django_checks() -> Finding:
    """What `manage.py check --deploy` says, without what other checks here say better."""
    ours = {"security.W009", "security.W018", "security.W020"} | (set() if settings.HTTPS else WITHOUT_HTTPS)
    found = [
        message
        for message in checks.run_checks(include_deployment_checks=True)
        if message.level >= checks.WARNING and not message.is_silenced() and message.id not in ours
    ]
    if found:
        text = listed([f"{message.id} {message.msg.splitlines()[0]}" for message in found])
        return warning("Django's checks", text, "Run python manage.py check --deploy")
    return ok("Django's checks", "nothing to say")


def dotenv() -> Finding:
    path = Path(DOTENV)
    if not path.is_file():
        return ok(".env", "none; the settings come from the environment")
    return _readable_by_others(".env", path) or ok(".env", "only its owner may read it")


def secret_files() -> Iterator[Finding]:
    """One for each file of a secret that more than its owner may read; a container's own are read-only, and its."""
    for name, path in settings.SECRET_FILES.items():
        finding = _readable_by_others(name, path)
        if finding and os.access(path, os.W_OK):
            yield finding


def _readable_by_others(subject: str, path: Path) -> Finding | None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return warning(subject, f"others on this machine may read it ({mode:04o})", f"Run chmod 600 {path}")
    return None


def clock() -> Finding:
    if time.time() < (settings.BASE_DIR / "manage.py").stat().st_ctime - 60:
        return problem(
            "Clock", f"{timezone.localtime():%Y-%m-%d %H:%M} is in the past", "Set it: timedatectl set-ntp true"
        )
    return ok("Clock", f"{timezone.localtime():%Y-%m-%d %H:%M} ({settings.TIME_ZONE})")


def is_public(host: str) -> bool:
    """Whether others than this machine and its network may know it by that name."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_global
    except ValueError:
        return name == "*" or ("." in name and not name.endswith(AT_HOME))
