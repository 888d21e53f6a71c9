"""What servers are made of: the image's recipe, Compose's services, systemd's units, the proxies' settings."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
import yaml

from tests.nginx import Nginx
from tests.scripted_server import reply
from tests.site.conftest import ScriptedSite
from tests.site_process import ROOT
from tests.viewer import Person, Viewer

Service = dict[str, object]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(words[0], words[1]) for line in lines if len(words := line.split(None, 1)) == 2]


def is_ignored(path: str) -> bool:
    """By .dockerignore, whose last matching line decides."""
    parts = path.split("/")
    beginnings = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.lstrip("!").removeprefix("**/")
        names = parts if line.startswith("**/") else beginnings
        if line and not line.startswith("#") and any(fnmatch.fnmatch(name, pattern) for name in names):
            ignored = not line.startswith("!")
    return ignored


def in_repository() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


class Loader(yaml.SafeLoader):
    """Knows Compose's own tag for what an override takes away."""


Loader.add_constructor("!reset", lambda _loader, _node: None)


def services(name: str) -> dict[str, Service]:
    return cast(dict[str, Service], yaml.load((ROOT / name).read_text(), Loader)["services"])


def test_all_that_the_image_copies_is_there_and_not_ignored() -> None:
    copied = [words for name, words in instructions() if name == "COPY" and "--from" not in words]
    sources = [source for words in copied for source in words.split()[:-1]]
    assert "requirements/" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source == "." or not is_ignored(source.rstrip("/")), source


def test_the_image_has_what_runs_and_nobodys_secrets_or_data() -> None:
    kept = [path for path in in_repository() if not is_ignored(path)]
    for needed in ("manage.py", ".env.template", "deploy/entrypoint.sh", "inference/demo/weights.safetensors"):
        assert needed in kept
    assert not [path for path in kept if path.startswith(("tests/", ".ci/"))]
    for private in (
        ".env",
        ".env.local",
        "db.sqlite3",
        "db.sqlite3-wal",
        "backups/a.localai",
        ".git/config",
        ".venv/bin/python",
    ):
        assert is_ignored(private), private


def test_the_image_runs_as_nobody_in_particular_and_gets_its_signals() -> None:
    steps = instructions()
    assert ("USER", "1000:1000") in steps
    assert ("STOPSIGNAL", "SIGTERM") in steps
    assert ("ENTRYPOINT", '["/app/deploy/entrypoint.sh"]') in steps
    assert "exec python -m daphne" in (ROOT / "deploy/entrypoint.sh").read_text()


class Container:
    """Runs the entry point, with a Python that tells what it was asked for, and its secret key."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        python = folder / "python"
        python.write_text(
            f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\n'
            'echo "$@"; echo "key ${SECRET_KEY:-$(cat "$SECRET_KEY_FILE")}"\n'
        )
        python.chmod(0o755)
        self._environment = {"PATH": f"{folder}:/usr/bin:/bin", "DATA_FOLDER": str(self.data)}

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command, variables = [str(ROOT / "deploy/entrypoint.sh"), *words], self._environment | environment
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    def asked_for(self, *words: str, **environment: str) -> list[str]:
        lines = self.run(*words, **environment).stdout.splitlines()
        return [line.removeprefix("manage.py ").split(" -")[0] for line in lines if not line.startswith("key ")]


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def test_the_container_prepares_the_database_and_serves(container: Container) -> None:
    prepared = ["migrate", "create_first_admin"]
    assert container.asked_for() == container.asked_for("serve") == [*prepared, "-m daphne"]
    assert container.asked_for("prepare") == prepared
    assert container.asked_for("serve", MIGRATE="no") == ["-m daphne"]
    assert container.asked_for("restore", "/data/a b") == ["restore /data/a b"]


def test_the_container_makes_its_secret_key_once_and_keeps_it(container: Container) -> None:
    keys = {line for _ in range(2) for line in container.run("check").stdout.splitlines() if line.startswith("key ")}
    kept = container.data / "secret_key"
    assert keys == {f"key {kept.read_text().strip()}"}
    assert len(kept.read_text()) > 50
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "key given" in container.run("check", SECRET_KEY="given").stdout
    (container.data / "given").write_text("of a file")
    assert "key of a file" in container.run("check", SECRET_KEY_FILE=str(container.data / "given")).stdout


def test_the_container_says_which_folder_it_cannot_write(container: Container) -> None:
    failed = container.run(DATA_FOLDER="/nowhere")
    assert failed.returncode == 1
    assert "/nowhere/secret_key cannot be written" in failed.stderr
    assert "cannot write to /nowhere, so no model" in container.run(HF_HOME="/nowhere").stderr
    assert not container.run(HF_HOME=str(container.data)).stderr


def test_the_health_check_tells_a_living_server_from_a_dead_one(scripted_site: ScriptedSite) -> None:
    script = str(ROOT / "deploy/healthcheck.py")
    port = str(scripted_site.site.port)
    assert subprocess.run(["python3", script], env={"PORT": port, "PATH": "/usr/bin:/bin"}, check=False).returncode == 0
    assert subprocess.run(["python3", script], env={"PORT": "1", "PATH": "/usr/bin:/bin"}, check=False).returncode == 1


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cpu.yaml"])
def test_what_compose_mounts_and_sets_exists(name: str) -> None:
    settings = (ROOT / ".env.template").read_text() + (ROOT / "deploy/entrypoint.sh").read_text()
    for service in services(name).values():
        for volume in cast(list[str], service.get("volumes", [])):
            if volume.startswith("./"):
                assert (ROOT / volume.split(":")[0]).is_file(), volume
        if "build" in service and "environment" in service:
            for variable in cast(dict[str, str], service["environment"]):
                assert re.search(rf"\b{variable}\b", settings), variable


def test_only_the_proxy_of_many_processes_is_reached_from_outside() -> None:
    found = services("compose.yaml")
    assert {name for name, service in found.items() if "ports" in service} == {"web", "proxy"}
    assert "profiles" not in found["web"]
    for name, service in found.items():
        assert name == "web" or service["profiles"] == ["scale"]
    assert found["postgres"]["networks"] == found["redis"]["networks"] == ["inside"]
    networks = yaml.load((ROOT / "compose.yaml").read_text(), Loader)["networks"]
    assert networks["inside"] == {"internal": True}


def test_the_proxy_brings_all_that_it_needs() -> None:
    found = services("compose.yaml")
    started, next_ones = set[str](), ["proxy"]
    while next_ones:
        started.add(name := next_ones.pop())
        next_ones += cast(dict[str, object], found[name].get("depends_on", {}))
    assert started == {name for name, service in found.items() if "profiles" in service}


def test_the_units_are_what_systemd_takes(tmp_path: Path) -> None:
    for unit in (ROOT / "deploy/systemd").iterdir():
        text = unit.read_text().replace("/opt/localai/.venv/bin/python", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert not [line for line in checked.stderr.splitlines() if "localai" in line]
    assert checked.returncode == 0


@pytest.fixture
def nginx(tmp_path: Path, scripted_site: ScriptedSite) -> Iterator[Nginx]:
    server = Nginx(tmp_path, [scripted_site.site.port])
    server.start()
    yield server
    server.stop()


def test_the_example_for_nginx_with_tls_is_valid(tmp_path: Path) -> None:
    certificate, key = tmp_path / "localai.pem", tmp_path / "localai.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=chat.example.org", "-days", "2", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.copy(ROOT / "deploy/nginx/proxy.conf", tmp_path)
    for name in ("localai.conf", "compose.conf"):
        text = (ROOT / "deploy/nginx" / name).read_text()
        text = text.replace("/etc/nginx/localai/", f"{tmp_path}/").replace("/etc/ssl/certs/", f"{tmp_path}/")
        text = text.replace("/etc/ssl/private/", f"{tmp_path}/")
        whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {text} }}"
        (tmp_path / "nginx.conf").write_text(whole)
        command = ["nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_the_proxy_passes_probes_but_not_metrics(nginx: Nginx) -> None:
    assert httpx.get(f"{nginx.url}/metrics", trust_env=False).status_code == 403
    assert httpx.get(f"{nginx.url}/healthz", trust_env=False).text == "ok\n"


async def test_the_proxy_passes_pages_sockets_and_streams(nginx: Nginx, scripted_site: ScriptedSite) -> None:
    site, script = scripted_site.site, scripted_site.script
    ann = Person(site)
    path = ann.new_conversation(site)
    script.enqueue(reply("", "Through the proxy."))
    async with Viewer(ann, nginx, path) as viewer:
        await viewer.ask("Hello")
        assert await viewer.until_ended() == "complete"
        assert viewer.answer == "Through the proxy."
    written = reply("", "One two three.")
    hold = threading.Event()
    script.enqueue(written, hold=hold, hold_at=len(written) - 3)
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        headers = {"Authorization": f"Bearer {scripted_site.key}"}
        async with client.stream("POST", f"{nginx.url}/v1/chat/completions", json=body, headers=headers) as response:
            async for line in response.aiter_lines():
                if "One" in line:  # it comes while the rest is held back: nothing is buffered
                    hold.set()
    assert hold.is_set()
