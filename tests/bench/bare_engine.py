"""vLLM alone: a process that consumes its tokens and does nothing else.

The engine is started with the site's own arguments; requests then go to vLLM itself, past every
line of this product. vLLM's engine process imports this module again, so it imports little.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO, cast

from tests.bench.timeline import Timeline

ROOT = Path(__file__).resolve().parent.parent.parent
STOP_SECONDS = 30


class BareEngine:
    """The process, seen from the benchmark."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.bare_engine"],
                cwd=ROOT,
                env={**environment, "DJANGO_SETTINGS_MODULE": "localai_site.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        self._read()

    def generate(self, prompt_ids: Sequence[int]) -> Timeline:
        """One answer; times count from the request."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(list(prompt_ids)) + "\n")
        self._process.stdin.flush()
        timeline = Timeline()
        for seconds, token_ids in self._read():
            timeline.add(seconds, token_ids)
        return timeline

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> list[tuple[float, list[int]]]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The bare engine ended:\n{self._log.read_text(errors='replace')[-3000:]}")
        return cast(list[tuple[float, list[int]]], json.loads(line))


async def serve(answers: TextIO) -> None:
    """Answer each line of prompt ids with the steps of its stream: seconds and new ids."""
    from inference.engines.local import LocalEngine, _sampling_params
    from inference.request import Request
    from inference.supervisor import get_supervisor

    get_supervisor().start_in_background()
    engine = await asyncio.to_thread(get_supervisor().wait_ready)
    assert isinstance(engine, LocalEngine)

    from django.utils import timezone
    from vllm.inputs.engine import tokens_input

    vllm = engine._engine
    assert vllm is not None
    parameters = _sampling_params(Request("", timezone.localdate()).sampling())
    steps: list[tuple[float, list[int]]] = []
    while True:
        answers.write(json.dumps(steps) + "\n")
        answers.flush()
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            return
        prompt_ids = json.loads(line)
        steps = []
        started = time.perf_counter()
        async for output in vllm.generate(tokens_input(prompt_ids), parameters, f"bench-{started}"):
            steps.append((time.perf_counter() - started, output.outputs[0].token_ids))


def main() -> None:
    import django

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what vLLM prints is no answer
    django.setup()
    asyncio.run(serve(answers))


if __name__ == "__main__":
    main()
