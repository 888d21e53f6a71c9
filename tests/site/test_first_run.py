from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from environ import Env

from localai_site.first_run import BASE_DIR, TEMPLATE, check_port, write_dotenv


def variables(dotenv: Path) -> dict[str, str]:
    lines = dotenv.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in the repository's root, with no more of the environment than a PATH."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.fixture
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


@pytest.mark.usefixtures("without_gpu")
def test_first_dotenv_is_the_template_with_a_secret_and_the_demo(dotenv: Path) -> None:
    assert write_dotenv(dotenv)

    written, template = variables(dotenv), variables(TEMPLATE)
    assert len(written.pop("SECRET_KEY")) >= 50
    assert written.pop("MODEL_NAME") == "demo"
    assert written == {name: value for name, value in template.items() if name not in ("SECRET_KEY", "MODEL_NAME")}
    assert len(dotenv.read_text().splitlines()) == len(TEMPLATE.read_text().splitlines())


@pytest.mark.usefixtures("with_gpu")
def test_with_a_gpu_the_real_model_is_chosen(dotenv: Path) -> None:
    write_dotenv(dotenv)

    assert variables(dotenv)["MODEL_NAME"] == variables(TEMPLATE)["MODEL_NAME"] == "openai/gpt-oss-20b"


@pytest.mark.usefixtures("without_gpu")
def test_a_vllm_server_elsewhere_keeps_the_real_model(dotenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE", "vllm-server")

    write_dotenv(dotenv)

    assert variables(dotenv)["MODEL_NAME"] == "openai/gpt-oss-20b"


def test_no_nvidia_smi_means_the_demo(dotenv: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    write_dotenv(dotenv)

    assert variables(dotenv)["MODEL_NAME"] == "demo"


def test_only_the_owner_may_read_dotenv(dotenv: Path) -> None:
    before = os.umask(0)
    try:
        write_dotenv(dotenv)
    finally:
        os.umask(before)

    assert stat.S_IMODE(dotenv.stat().st_mode) == 0o600


def test_every_site_has_its_own_secret(tmp_path: Path) -> None:
    write_dotenv(tmp_path / "one")
    write_dotenv(tmp_path / "other")

    assert variables(tmp_path / "one")["SECRET_KEY"] != variables(tmp_path / "other")["SECRET_KEY"]


def test_existing_dotenv_is_left_alone(dotenv: Path) -> None:
    dotenv.write_text("DEBUG=True\n")

    assert not write_dotenv(dotenv)

    assert dotenv.read_text() == "DEBUG=True\n"


def test_variable_missing_in_the_template_is_added(dotenv: Path, tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.write_text("# comment\nDEBUG=False\n")

    write_dotenv(dotenv, template)

    assert dotenv.read_text().startswith("# comment\nDEBUG=False\nSECRET_KEY=")


@pytest.mark.usefixtures("without_gpu")
def test_settings_accept_the_first_dotenv(dotenv: Path) -> None:
    write_dotenv(dotenv)

    settings = run_python(
        "-c",
        "from localai_site import settings; print(settings.MODEL_NAME, settings.SECRET_KEY)",
        LOCALAI_ENV_FILE=str(dotenv),
    )

    assert settings.stdout == f"demo {variables(dotenv)['SECRET_KEY']}\n", settings.stderr


def test_command_writes_dotenv_before_anything_is_installed(dotenv: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free_port = str(server.getsockname()[1])

    # -S: without the packages of the virtual environment.
    first = run_python("-S", "-m", "localai_site.first_run", "127.0.0.1", free_port, LOCALAI_ENV_FILE=str(dotenv))
    second = run_python("-S", "-m", "localai_site.first_run", "127.0.0.1", free_port, LOCALAI_ENV_FILE=str(dotenv))

    assert (first.returncode, first.stderr, first.stdout.count("\n")) == (0, "", 1)
    assert "Wrote .env" in first.stdout
    assert (second.returncode, second.stderr, second.stdout) == (0, "", "")


def test_command_says_in_one_line_that_the_port_is_taken(dotenv: Path, taken_port: str) -> None:
    taken = run_python("-m", "localai_site.first_run", "127.0.0.1", taken_port, LOCALAI_ENV_FILE=str(dotenv))

    assert taken.returncode == 1
    assert taken.stderr.count("\n") == 1
    assert f"port {taken_port}: Address already in use" in taken.stderr
    assert "make run PORT=" in taken.stderr
    assert not dotenv.exists()


def test_port_just_freed_can_be_used_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address) as client:
            server.accept()[0].close()
            client.recv(1)

    check_port(address[0], str(address[1]))


@pytest.mark.parametrize("port", ["http", "", "0", "65536", "-1", "80 80"])
def test_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(SystemExit, match=r"PORT is '.*'; it must be a number from 1 to 65535"):
        check_port("127.0.0.1", port)


def test_host_that_is_not_of_this_machine_is_named() -> None:
    with pytest.raises(SystemExit, match=r"Cannot listen on 192\.0\.2\.1, port 8000"):
        check_port("192.0.2.1", "8000")


def test_tests_see_no_variable_of_the_developer() -> None:
    assert variables(BASE_DIR / "tests/test.env").keys() >= variables(TEMPLATE).keys()
    for name, value in variables(BASE_DIR / "tests/test.env").items():
        assert os.environ[name] == (value or ("UTC" if name == "TZ" else ""))


def test_template_is_read_as_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables(TEMPLATE):
        monkeypatch.delenv(name, raising=False)
    environment = Env()

    environment.read_env(str(TEMPLATE))

    for name, value in variables(TEMPLATE).items():
        assert environment.str(name) == value
        monkeypatch.setenv(name, "")
