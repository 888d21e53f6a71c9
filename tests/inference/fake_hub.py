"""The part of Hugging Face's HTTP interface that a download uses, on a loopback port."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40


@dataclass
class FakeHub:
    """Serves `files` of one model. `refusal` answers everything so; `break_after` cuts files there, once each."""

    model: str
    files: dict[str, bytes]
    refusal: tuple[int, str] | None = None
    break_after: int | None = None
    token: str = ""
    requests: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            def do_HEAD(self) -> None:
                hub.answer(self)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(request.path)
        path = request.path.partition("?")[0]
        if self.refusal:
            status, code = self.refusal
            self._send(request, status, b"{}", {"X-Error-Code": code})
        elif self.token and request.headers["Authorization"] != f"Bearer {self.token}":
            self._send(request, 401, b"{}", {"X-Error-Code": "GatedRepo"})
        elif path == f"/api/models/{self.model}/revision/main":
            self._send(request, 200, json.dumps({"id": self.model, "sha": COMMIT}).encode(), {})
        elif path == f"/api/models/{self.model}/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": sha256(content).hexdigest()[:40]}
                for name, content in self.files.items()
            ]
            self._send(request, 200, json.dumps(tree).encode(), {})
        else:
            name = path.removeprefix(f"/{self.model}/resolve/{COMMIT}/")
            if name in self.files:
                self._file(request, self.files[name])
            else:
                self._send(request, 404, b"", {"X-Error-Code": "EntryNotFound"})

    def _file(self, request: BaseHTTPRequestHandler, content: bytes) -> None:
        headers = {"ETag": f'"{sha256(content).hexdigest()[:40]}"', "X-Repo-Commit": COMMIT}
        asked = request.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if asked:
            self.ranges.append(asked)
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = len(content)
        if self.break_after is not None and request.command == "GET" and not asked and len(content) > self.break_after:
            cut = self.break_after
        self._send(request, 206 if asked else 200, content[start:], headers, cut)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str],
        cut: int | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body[:cut])
            request.close_connection = True
