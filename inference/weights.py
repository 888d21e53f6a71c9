"""Where a model's weights are: the bundled demo, a local folder, or downloaded from Hugging Face once."""

from __future__ import annotations

import errno
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.demo import materialise
from inference.engine import VOCABULARY_SIZE, Progress, ProgressListener
from inference.errors import EngineFailedError

if TYPE_CHECKING:
    from huggingface_hub.utils.tqdm import tqdm

DEMO = "demo"

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

HUGGING_FACE_ID = re.compile(r"[\w.-]+/[\w.-]+")

FILES = ["*.json", "*.safetensors"]
IGNORED = ["*/*"]
"""gpt-oss repositories hold two more copies of the weights, in `original/` and `metal/`."""


class Weights:
    """One model's files, by what MODEL_NAME says."""

    def __init__(self, model: str, cache_folder: Path, hf_token: str = "") -> None:
        self.model = model
        self._cache_folder = cache_folder
        self._token = hf_token or None

    @property
    def is_demo(self) -> bool:
        return self.model == DEMO

    def configuration(self) -> Mapping[str, object]:
        """Return the model's config.json without the weights, so that what cannot run is not downloaded.

        Raises EngineFailedError if there is none, or it is not gpt-oss's.
        """
        wanted = ["config.json"]
        folder = self._local_folder() or self._downloaded(wanted) or self._fetch(wanted, None)
        configuration = _read_object(folder / "config.json")
        if configuration is None:
            raise EngineFailedError(
                format_lazy(_("{model} holds no readable config.json."), model=self.model),
                _("Let MODEL_NAME name a model's folder."),
            )
        if configuration.get("model_type") != "gpt_oss" or configuration.get("vocab_size") != VOCABULARY_SIZE:
            raise EngineFailedError(
                format_lazy(_("{model} is not a gpt-oss model."), model=self.model),
                _("Set MODEL_NAME=openai/gpt-oss-20b, or demo."),
            )
        return configuration

    def folder(self, on_progress: ProgressListener) -> Path:
        """Return the folder of the complete weights; downloads them, or goes on with a broken download.

        Raises EngineFailedError.
        """
        local = self._local_folder()
        folder = local or self._downloaded(FILES) or self._fetch(FILES, on_progress)
        missing = _missing_files(folder)
        if missing and not local:
            folder = self._fetch(FILES, on_progress)
            missing = _missing_files(folder)
        if missing:
            raise EngineFailedError(
                format_lazy(_("{model} is incomplete: {missing} is missing."), model=self.model, missing=missing[0]),
                _("Copy or download the model again."),
            )
        return folder

    def _local_folder(self) -> Path | None:
        if self.is_demo:
            try:
                return materialise(self._cache_folder)
            except OSError as error:  # the disk
                raise EngineFailedError(
                    format_lazy(
                        _("The demo model could not be written to {cache_folder}: {strerror}."),
                        cache_folder=self._cache_folder,
                        strerror=error.strerror,
                    ),
                    _("Free some space, or set XDG_CACHE_HOME to a folder that can be written."),
                ) from error
        folder = Path(self.model).expanduser()
        if folder.is_dir():
            return folder.resolve()
        if not HUGGING_FACE_ID.fullmatch(self.model):
            raise EngineFailedError(
                format_lazy(_("There is no model folder {model}."), model=self.model),
                _("Set MODEL_NAME to a folder, a Hugging Face id, or demo."),
            )
        return None

    def _downloaded(self, patterns: list[str]) -> Path | None:
        """The folder of an earlier, complete download; asks nobody outside."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            found = snapshot_download(
                self.model, allow_patterns=patterns, ignore_patterns=IGNORED, local_files_only=True
            )
        except LocalEntryNotFoundError:
            return None
        return Path(found)

    def _fetch(self, patterns: list[str], on_progress: ProgressListener | None) -> Path:
        from huggingface_hub import snapshot_download

        try:
            return Path(
                snapshot_download(
                    self.model,
                    allow_patterns=patterns,
                    ignore_patterns=IGNORED,
                    token=self._token,
                    tqdm_class=_progress_bar(self.model, on_progress),
                )
            )
        except Exception as error:  # the network, the hub, the token or the disk
            raise _download_error(self.model, error) from error


def has_tokenizer(folder: Path) -> bool:
    return (folder / "tokenizer.json").is_file()


def _read_object(path: Path) -> dict[str, object] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _missing_files(folder: Path) -> list[str]:
    """Names of the safetensors files which the model's index, or vLLM, wants and the folder lacks."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [] if any(folder.glob("*.safetensors")) else ["model.safetensors"]
    weight_map = (_read_object(index) or {}).get("weight_map")
    if not isinstance(weight_map, dict):
        return [index.name]
    return sorted({str(name) for name in weight_map.values() if not (folder / str(name)).is_file()})


def _progress_bar(model: str, on_progress: ProgressListener | None) -> type[tqdm]:
    """Return a silent tqdm class; the bar that counts the bytes written reports instead of drawing."""
    from huggingface_hub.utils.tqdm import tqdm

    text = format_lazy(_("Downloading {model}"), model=model)

    class ReportingBar(tqdm):
        monitor_interval = 0

        def __init__(self, *args: object, **options: object) -> None:
            self._counts_bytes = options.get("unit") == "B" and not str(options.get("name")).endswith(".transfer")
            super().__init__(  # type: ignore[no-untyped-call]
                *args, **{**options, "disable": False, "file": io.StringIO()}
            )

        def display(self, *_: object, **__: object) -> None:
            if on_progress and self._counts_bytes and self.total:
                on_progress(Progress("downloading", text, done=int(self.n), total=int(self.total)))

    return ReportingBar


def _download_error(model: str, error: Exception) -> EngineFailedError:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return EngineFailedError(
            format_lazy(_("{model} is gated."), model=model),
            _("Accept its licence on huggingface.co and set HF_TOKEN."),
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return EngineFailedError(
            format_lazy(_("Hugging Face has no model {model}, or it is private."), model=model),
            _("Check MODEL_NAME; a private model needs HF_TOKEN."),
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return EngineFailedError(
            format_lazy(_("Hugging Face could not be reached to download {model}."), model=model),
            _("Check the network, or set MODEL_NAME to a local folder."),
        )
    if (isinstance(error, OSError) and error.errno in NO_SPACE) or "No space left on device" in str(error):
        return EngineFailedError(
            format_lazy(_("The disk is full; {model} does not fit."), model=model),
            _("Free some space, or set HF_HOME to a larger disk."),
        )
    reason = " ".join(str(error).split()) or type(error).__name__
    return EngineFailedError(
        format_lazy(_("The download of {model} failed: {reason}"), model=model, reason=reason[:200]),
        _("Try again; it goes on where it ended."),
    )
