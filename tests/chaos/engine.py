"""A vLLM server whose answer follows from the prompt alone, so that each word of it can be accounted for later.

It runs as a process of its own: `python -m tests.chaos.engine PORT`.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from functools import lru_cache
from random import Random

import httpx

from inference.vocabulary import encoding
from tests.scripted_server import Script, ScriptedServer, harmony, reply
from tests.site_process import ROOT, free_port
from tests.viewer import WITHOUT_TLS

TOKENS_PER_SECOND = 400
START_SECONDS = 30
USER = harmony("<|start|>user<|message|>")
ANSWER = harmony("<|end|><|start|>assistant")


def thinking_to(prompt: str) -> str:
    draw = Random(f"thinking {prompt}")
    return " ".join(f"{prompt}-hm{number}" for number in range(draw.randint(0, 8)))


def answer_to(prompt: str) -> str:
    """Each word is there once."""
    draw = Random(prompt)
    return " ".join(f"{prompt}-{number}{draw.choice(['', '', 'é', '👩‍🚀'])}" for number in range(draw.randint(3, 40)))


@lru_cache(maxsize=1000)
def tokens_of(prompt: str) -> list[int]:
    return reply(thinking_to(prompt), answer_to(prompt))


def asked_and_written(token_ids: list[int]) -> tuple[str, list[int]]:
    """The last prompt, and what was written of its answer."""
    asked = _last(token_ids, USER) + len(USER)
    end = asked + _first(token_ids[asked:], ANSWER)
    return encoding().decode(token_ids[asked:end]), token_ids[end + len(ANSWER) :]


def _first(token_ids: list[int], part: list[int]) -> int:
    return next(at for at in range(len(token_ids)) if token_ids[at : at + len(part)] == part)


def _last(token_ids: list[int], part: list[int]) -> int:
    return next(at for at in reversed(range(len(token_ids))) if token_ids[at : at + len(part)] == part)


class AccountableServer(ScriptedServer):
    """Goes on from what was written; refuses to go on from what it would not have written."""

    async def _completion(
        self, request: dict[str, object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        prompt, written = asked_and_written(list(request["prompt"]))  # type: ignore[call-overload]
        whole = tokens_of(prompt)
        if whole[: len(written)] != written:
            sys.stderr.write(f"NEVER WRITTEN: {encoding().decode(written)!r}\n")
            self._answer(writer, 400, {"error": {"message": "This was never written.", "code": 400}})
            return
        self.scripts.append(Script(whole[len(written) :], seconds_per_token=1 / TOKENS_PER_SECOND))
        await super()._completion(request, reader, writer)
        self.requests.clear()


class EngineProcess:
    """The server above, which can be killed and frozen."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.port = free_port()
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """0 when it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Returns when it answers."""
        command = [sys.executable, "-m", "tests.chaos.engine", str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx.get(f"{self.url}/v1/models", trust_env=False, verify=WITHOUT_TLS)
            except httpx.HTTPError:
                assert self._process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def freeze(self) -> None:
        self._tell(signal.SIGSTOP)

    def thaw(self) -> None:
        self._tell(signal.SIGCONT)

    def kill(self) -> None:
        """Harmless when it does not run."""
        if self._process:
            self._tell(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _tell(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)


def main() -> None:
    encoding()
    AccountableServer().start(int(sys.argv[1]))
    threading.Event().wait()


if __name__ == "__main__":
    main()
