"""The real nginx before several servers, each request to the next of them, with the settings that deploy/ has."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.site_process import ROOT, free_port

START_SECONDS = 10

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    upstream localai {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        set $localai localai;
        set $forwarded_proto http;
        include {proxy_settings};
        add_header X-Server $upstream_addr always;
    }}
}}
"""


class Nginx:
    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.port = free_port()
        self._folder = folder
        servers = "\n        ".join(f"server 127.0.0.1:{port} fail_timeout=1s;" for port in ports)
        text = CONFIGURATION.format(
            folder=folder, port=self.port, servers=servers, proxy_settings=ROOT / "deploy/nginx/proxy.conf"
        )
        (folder / "nginx.conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it listens."""
        options = [
            "-p",
            str(self._folder),
            "-e",
            str(self._folder / "error.log"),
            "-c",
            str(self._folder / "nginx.conf"),
        ]
        self._process = subprocess.Popen([_program(), *options])
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _program() -> str:
    """Debian has it where only root looks for programs."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx-is-missing"
