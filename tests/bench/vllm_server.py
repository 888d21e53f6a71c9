"""vLLM's own OpenAI server with the site's own engine arguments: what a program would ask if there were no site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.site_process import ROOT, free_port

START_SECONDS = 300
STOP_SECONDS = 30


class VllmServer:
    """The process, seen from the benchmark; `environment` is that of the site which it is compared with."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.vllm_server", str(port)],
                cwd=ROOT,
                env={**environment, "DJANGO_SETTINGS_MODULE": "localai_site.settings"},
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"vLLM's server did not start:\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.25)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def command(port: int) -> list[str]:
    """Sets the environment that the engine's arguments go with, too."""
    from django.conf import settings

    from inference.engines.arguments import engine_arguments, runs_on_cpu
    from inference.supervisor import needed_model_len
    from inference.weights import Weights

    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    weights = Weights(settings.MODEL_NAME, settings.CACHE_FOLDER, settings.HF_TOKEN)
    length = needed_model_len(settings.MAX_CONTEXT_TOKENS, settings.DEFAULT_MAX_TOKENS)
    own = {"max_model_len": length, **settings.VLLM_ENGINE_ARGS}
    arguments = engine_arguments(weights, weights.folder(lambda _: None), own, runs_on_cpu())
    server = {"reasoning_parser": "openai_gptoss", "host": "127.0.0.1", "port": port}
    options = [_option(name, value) for name, value in {**arguments, **server}.items()]
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *options]


def _option(name: str, value: object) -> str:
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{words}" if value else f"--no-{words}"
    return f"--{words}={json.dumps(value) if isinstance(value, dict) else value}"


def main() -> None:
    import django

    django.setup()
    arguments = command(int(sys.argv[1]))
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main()
