"""The scripted server as a process of its own: to every request it sends the same tokens at the same pace."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import TracebackType

from tests.bench.paced_server import answer_of
from tests.scripted_server import Script, ScriptedServer
from tests.site_process import ROOT

TOKENS, PER_SECOND = 200, 50
TOKEN_IDS = answer_of(TOKENS)


class Stub:
    """`with` starts and stops it."""

    def __enter__(self) -> Stub:
        command = [sys.executable, "-m", "tests.bench.stub"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    server = ScriptedServer(default=Script(TOKEN_IDS, seconds_per_token=1 / PER_SECOND)).start()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
