"""What a start needs before Django: a free port, and a `.env`, which the first start writes.

    python -m localai_site.first_run HOST PORT

Needs no settings and no database; an existing `.env` is never touched.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from localai_site.hardware import has_nvidia_gpu

BASE_DIR = Path(__file__).resolve().parent.parent
DOTENV = Path(os.environ.get("LOCALAI_ENV_FILE") or BASE_DIR / ".env")
TEMPLATE = BASE_DIR / ".env.template"


def check_port(host: str, port: str) -> None:
    """Raises SystemExit with one line that says why nothing can listen there."""
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise SystemExit(f"PORT is {port!r}; it must be a number from 1 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind((host, int(port)))
    except OSError as error:
        raise SystemExit(
            f"Cannot listen on {host}, port {port}: {error.strerror}. To choose another port: make run PORT=8001"
        ) from error


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return the template with these variables set; the others keep their lines."""
    lines = template.splitlines()
    for name, value in values.items():
        places = [place for place, line in enumerate(lines) if line.startswith(f"{name}=")] or [len(lines)]
        lines[places[0] : places[0] + 1] = [f"{name}={value}"]
    return "\n".join(lines) + "\n"


def first_values() -> dict[str, str]:
    """What a fresh `.env` sets otherwise than the template."""
    values = {"SECRET_KEY": secrets.token_urlsafe(50)}
    if os.environ.get("ENGINE") != "vllm-server" and not has_nvidia_gpu():
        values["MODEL_NAME"] = "demo"
    return values


def write_dotenv(path: Path, template: Path = TEMPLATE) -> bool:
    """Write a first `.env` that only its owner may read; False where there is one already."""
    if path.exists():
        return False
    text = filled(template.read_text(encoding="utf-8"), first_values())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def main(host: str, port: str) -> None:
    check_port(host, port)
    if write_dotenv(DOTENV):
        sys.stdout.write(f"Wrote {DOTENV.name} with a fresh secret key; settings are changed there.\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
