"""The demo model on the real vLLM, in this process and as a server; both can be killed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from inference.engine import Progress
from inference.engines.local import LocalEngine
from inference.engines.pool import ServerPool
from inference.engines.server import ServerEngine
from inference.errors import EngineFailedError

MAX_MODEL_LEN = 4096
START_SECONDS = 300


@dataclass
class LocalProcess:
    """The engine of this process, and the means to look at it from outside."""

    engine: LocalEngine
    progress: list[Progress] = field(default_factory=list)

    def start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vLLM's imports warn of much that is not ours
            self.engine.start(self.progress.append)

    def reconnect(self) -> None:
        self.start()

    def kill(self) -> None:
        for process in self._cores():
            process.kill()

    def freeze(self) -> list[psutil.Process]:
        """Stop the engine's process in the middle of what it does; returns it."""
        cores = self._cores()
        for process in cores:
            process.suspend()
        return cores

    def _cores(self) -> list[psutil.Process]:
        return [process for process in psutil.Process().children() if "EngineCore" in process.name()]

    async def running_requests(self) -> int:
        assert self.engine._engine is not None
        return int(self.engine._engine.get_num_unfinished_requests())


@dataclass
class ServerProcess:
    """A vLLM server in a process group of its own."""

    model_folder: Path
    log: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    engine: ServerEngine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = ServerEngine(f"http://127.0.0.1:{self.port}", "secret", "demo")

    def start(self) -> None:
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        options = {
            "model": self.model_folder,
            "served-model-name": "demo",
            "max-model-len": MAX_MODEL_LEN,
            "distributed-executor-backend": "uni",
            "host": "127.0.0.1",
            "port": self.port,
            "api-key": "secret",
            "structured-outputs-config": '{"backend": "xgrammar", "disable_any_whitespace": true}',
        }
        command += [f"--{name}={value}" for name, value in options.items()]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VLLM_")}
        environment |= {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--enforce-eager", "--no-enable-chunked-prefill"],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self.reconnect()

    def reconnect(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.engine.start(lambda _: None)
                return
            except EngineFailedError:
                assert self.process is not None
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"The server did not start:\n{self.log.read_text()[-4000:]}") from None
                time.sleep(0.25)

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    async def running_requests(self) -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            metrics = (await client.get(f"http://127.0.0.1:{self.port}/metrics")).text
        return sum(int(float(n)) for n in re.findall(r"^vllm:num_requests_running\{.*\} (\S+)$", metrics, re.M))


@dataclass
class PoolProcess:
    """One vLLM server under two of its addresses, as if it were two servers."""

    server: ServerProcess
    engine: ServerPool = field(init=False)

    def __post_init__(self) -> None:
        urls = [f"http://{host}:{self.server.port}" for host in ("127.0.0.1", "localhost")]
        self.engine = ServerPool([ServerEngine(url, "secret", "demo") for url in urls])

    def reconnect(self) -> None:
        self.engine.start(lambda _: None)

    async def running_requests(self) -> int:
        return await self.server.running_requests()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
