"""Expands the compact weights into a Hugging Face model folder that vLLM loads unchanged.

The compact file holds each distinct embedding row once, and for each token which row is its own. Numbers are
bfloat16, kept as the 16-bit integers numpy knows. Its metadata has the text of config.json.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from inference.demo.sampling import END_TOKENS, TEMPERATURE, TOP_P
from inference.demo.tokenizer import tokenizer_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS = Path(__file__).parent / "weights.safetensors"
TOKENIZER_CODE = Path(__file__).parent / "tokenizer.py"
# Compact name → the name in the folder; their rows are repeated for each token.
EXPANDED = {"embedding": "model.embed_tokens.weight", "head": "lm_head.weight"}
ROW_OF_TOKEN = "{}.row_of_token"  # noqa: S105 - not a secret


def materialise(cache_folder: Path) -> Path:
    """The complete model folder inside `cache_folder`, made if it is not there yet.

    It takes about 0.2 s and `materialised_bytes()`. Safe when several processes do it at once: each writes a
    folder of its own and the first one to finish wins.
    Raises OSError when the folder cannot be written, and leaves nothing behind then.
    """
    folder = cache_folder / f"localai-demo-{_digest()}"
    if folder.is_dir():
        return folder
    cache_folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".localai-demo-", dir=cache_folder))
    try:
        _write(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        # Another process has just finished the same folder.
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def materialised_bytes() -> int:
    """What the model file needs on the disk, in bytes; the tokenizer and the configuration add less than 100 KB."""
    header = _header()
    tokens = header[ROW_OF_TOKEN.format("head")]["shape"][0]
    total = 0
    for name, tensor in header.items():
        if name in EXPANDED:
            total += 2 * tokens * tensor["shape"][1]
        elif not name.endswith(".row_of_token"):
            total += tensor["data_offsets"][1] - tensor["data_offsets"][0]
    return total


@cache
def _digest() -> str:
    return sha256(WEIGHTS.read_bytes() + TOKENIZER_CODE.read_bytes() + _generation_config().encode()).hexdigest()[:16]


def _generation_config() -> str:
    settings = {
        "do_sample": True,
        "temperature": TEMPERATURE,
        "top_p": TOP_P,
        "eos_token_id": list(END_TOKENS),
        "pad_token_id": 199_999,
    }
    return json.dumps(settings, indent=2) + "\n"


def _header() -> dict[str, dict[str, list[int]]]:
    """name → shape and data_offsets (https://github.com/huggingface/safetensors#format)."""
    with WEIGHTS.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, dict[str, list[int]]] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def _write(folder: Path) -> None:
    from safetensors import safe_open

    with safe_open(WEIGHTS, framework="numpy") as file:
        config = file.metadata()["config"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    token_ids = _written_tokens(tensors[ROW_OF_TOKEN.format("head")])
    for compact, name in EXPANDED.items():
        tensors[name] = tensors.pop(compact)[tensors.pop(ROW_OF_TOKEN.format(compact))]
    (folder / "config.json").write_text(config)
    for name, content in {"generation_config.json": _generation_config(), **tokenizer_files(token_ids)}.items():
        (folder / name).write_text(content, encoding="utf-8")
    header, offset = dict[str, object](__metadata__={"format": "pt"}), 0
    for name, tensor in tensors.items():
        offsets = [offset, offset + tensor.nbytes]
        header[name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": offsets}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(tensor.tobytes())


def _written_tokens(row_of_token: NDArray[np.uint16]) -> list[int]:
    """The ids of those that the model learned to write: all others have one row in common."""
    rows = row_of_token.tolist()
    common, _number = Counter(rows).most_common(1)[0]
    return [token_id for token_id, row in enumerate(rows) if row != common]
