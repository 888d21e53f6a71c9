"""Where the weights come from; the hub is a fake, its client is the real one."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.demo import materialise
from inference.engine import Progress
from inference.errors import EngineFailedError
from inference.weights import Weights
from tests.engine_processes import free_port
from tests.inference.fake_hub import COMMIT, FakeHub

MODEL = "openai/gpt-oss-tiny"
CONFIGURATION = json.dumps({"model_type": "gpt_oss", "vocab_size": 201088}).encode()
SHARDS = {"model-00000-of-00001.safetensors": b"0" * 3_000_000, "model-00001-of-00001.safetensors": b"1" * 10}
INDEX = json.dumps({"weight_map": {str(number): name for number, name in enumerate(SHARDS)}}).encode()
FILES = {
    "config.json": CONFIGURATION,
    "model.safetensors.index.json": INDEX,
    **SHARDS,
    "README.md": b"read me",
    "original/model.safetensors": b"2" * 10,
    "metal/model.bin": b"3" * 10,
}


def ignore(progress: Progress) -> None:
    return


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    hub = FakeHub(MODEL, FILES)
    use_hub(monkeypatch, tmp_path, hub.url)
    yield hub
    hub.stop()


def use_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> None:
    """The hub's client reads its environment once, when it is imported."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)


def resolve(weights: Weights) -> Path:
    weights.configuration()
    return weights.folder(ignore)


def refused(weights: Weights) -> EngineFailedError:
    with pytest.raises(EngineFailedError) as caught:
        resolve(weights)
    assert "\n" not in str(caught.value)
    assert caught.value.fix
    return caught.value


# The demo and local folders


def test_the_demo_is_made_on_the_spot(tmp_path: Path) -> None:
    weights = Weights("demo", tmp_path)
    assert weights.is_demo
    assert weights.configuration()["model_type"] == "gpt_oss"
    assert weights.folder(ignore) == materialise(tmp_path)


def test_a_demo_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(cache_folder: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("inference.weights.materialise", full)
    assert "No space left" in refused(Weights("demo", tmp_path)).reason


def test_a_local_folder_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "model", {"config.json": CONFIGURATION, "model.safetensors": b"0"})
    assert Weights(str(folder), tmp_path).folder(ignore) == folder
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Weights("~/model", tmp_path).folder(ignore) == folder


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = refused(Weights(f"{tmp_path}/nothing", tmp_path))
    assert f"{tmp_path}/nothing" in error.reason
    assert "MODEL_NAME" in error.fix


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"other.txt": b""}, "no readable config.json"),
        ({"config.json": b"{nonsense"}, "no readable config.json"),
        ({"config.json": b"[]"}, "no readable config.json"),
        ({"config.json": b"\xff"}, "no readable config.json"),
        ({"config.json": b'{"model_type": "llama", "vocab_size": 32000}'}, "not a gpt-oss model"),
        ({"config.json": b'{"model_type": "gpt_oss", "vocab_size": 5}'}, "not a gpt-oss model"),
        ({"config.json": CONFIGURATION}, "model.safetensors is missing"),
        ({"config.json": CONFIGURATION, "model.safetensors.index.json": INDEX}, "model-00000-of-00001"),
        ({"config.json": CONFIGURATION, "model.safetensors.index.json": b"{}"}, "index"),
    ],
)
def test_a_folder_without_a_whole_gpt_oss_is_told(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    folder = write(tmp_path / "model", files)
    assert reason in refused(Weights(str(folder), tmp_path)).reason


# Downloads


def test_a_download_has_what_vllm_reads_and_tells_its_bytes(hub: FakeHub, tmp_path: Path) -> None:
    heard: list[Progress] = []
    folder = Weights(MODEL, tmp_path).folder(heard.append)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors.index.json", *SHARDS}
    assert all((folder / name).read_bytes() == content for name, content in SHARDS.items())
    total = len(CONFIGURATION) + len(INDEX) + sum(map(len, SHARDS.values()))
    assert {progress.state for progress in heard} == {"downloading"}
    assert (heard[-1].done, heard[-1].total) == (total, total)
    assert MODEL in heard[-1].text


def test_the_configuration_comes_without_the_weights(hub: FakeHub, tmp_path: Path) -> None:
    assert Weights(MODEL, tmp_path).configuration()["model_type"] == "gpt_oss"
    assert not [path for path in hub.requests if "safetensors" in path]


def test_what_is_there_is_not_asked_for_again(hub: FakeHub, tmp_path: Path) -> None:
    Weights(MODEL, tmp_path).folder(ignore)
    asked = len(hub.requests)
    weights = Weights(MODEL, tmp_path)
    weights.configuration()
    weights.folder(ignore)
    assert len(hub.requests) == asked


def test_a_broken_download_goes_on_where_it_ended(hub: FakeHub, tmp_path: Path) -> None:
    hub.break_after = 1_000_000
    folder = Weights(MODEL, tmp_path).folder(ignore)
    assert all((folder / name).read_bytes() == content for name, content in SHARDS.items())
    assert hub.ranges


def test_an_incomplete_download_is_completed(hub: FakeHub, tmp_path: Path) -> None:
    folder = Weights(MODEL, tmp_path).folder(ignore)
    missing = folder / next(iter(SHARDS))
    missing.resolve().unlink()
    missing.unlink()
    assert Weights(MODEL, tmp_path).folder(ignore) == folder
    assert missing.is_file()


def test_the_token_is_sent(hub: FakeHub, tmp_path: Path) -> None:
    hub.token = "secret"
    assert "gated" in refused(Weights(MODEL, tmp_path)).reason
    assert "HF_TOKEN" in refused(Weights(MODEL, tmp_path, "wrong")).fix
    assert COMMIT in str(Weights(MODEL, tmp_path, "secret").folder(ignore))


def test_a_model_that_is_not_there_is_told(hub: FakeHub, tmp_path: Path) -> None:
    hub.refusal = (404, "RepoNotFound")
    error = refused(Weights(MODEL, tmp_path))
    assert "no model" in error.reason
    assert "MODEL_NAME" in error.fix


def test_a_hub_in_trouble_is_told(hub: FakeHub, tmp_path: Path) -> None:
    hub.refusal = (400, "Trouble")
    assert MODEL in refused(Weights(MODEL, tmp_path)).reason


def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_hub(monkeypatch, tmp_path, f"http://127.0.0.1:{free_port()}")
    error = refused(Weights(MODEL, tmp_path))
    assert "could not be reached" in error.reason
    assert "network" in error.fix


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("Data processing error: No space left on device (os error 28)"),
    ],
    ids=["full", "quota", "in the other downloader"],
)
def test_a_full_disk_is_told(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    weights = Weights(MODEL, tmp_path)
    weights.configuration()

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    assert "disk is full" in refused(weights).reason
