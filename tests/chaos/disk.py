"""A small disk of its own for a server's folder, which can be full. Mounting one takes root."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

MEGABYTES = 64
CHUNK = b"\0" * 65536


class Disk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def mount(self) -> bool:
        options = ["-t", "tmpfs", "-o", f"size={MEGABYTES}m", "localai-chaos"]
        return not subprocess.run(["mount", *options, self.folder], capture_output=True, check=False).returncode

    def unmount(self) -> None:
        subprocess.run(["umount", self.folder], check=True)

    def fill(self) -> None:
        """To the last byte."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while True:
                os.write(file.fileno(), CHUNK)

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)
