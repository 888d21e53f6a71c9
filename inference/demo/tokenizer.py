"""The demo model's tokenizer as Hugging Face keeps one: which bytes each token that it writes stands for.

vLLM needs it to tell which tokens may come next in an answer that must obey a schema. It has no merges, for nobody
encodes text with it, and lacks what the model never writes: vLLM starts 3 s later with all 200,000 tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from inference.vocabulary import CALL, FIRST_SPECIAL_ID, encoding, token_bytes

RETURN = "<|return|>"
CONTROL_TOKENS = range(FIRST_SPECIAL_ID, CALL + 1)
SINGLE_BYTES = 256
"""The first tokens of the vocabulary are the bytes, in an order of their own."""

VISIBLE = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
HIDDEN_BYTES = {byte: 0x100 + number for number, byte in enumerate(sorted({*range(0x100)} - VISIBLE))}


def tokenizer_files(token_ids: Iterable[int]) -> dict[str, str]:
    """Return the texts of the files by name, for a model that writes these tokens."""
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": RETURN,
        "clean_up_tokenization_spaces": False,
    }
    return {
        "tokenizer.json": json.dumps(_tokenizer(token_ids), ensure_ascii=False) + "\n",
        "tokenizer_config.json": json.dumps(configuration, indent=2) + "\n",
    }


def _tokenizer(token_ids: Iterable[int]) -> dict[str, object]:
    """The format is that of the `tokenizers` library: a byte-level BPE model."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_control_token(token_id) for token_id in CONTROL_TOKENS],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "model": {"type": "BPE", "vocab": _vocabulary(token_ids), "merges": []},
    }


def _control_token(token_id: int) -> dict[str, object]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token_id, "content": encoding().decode([token_id]), **flags, "special": True}


def _vocabulary(token_ids: Iterable[int]) -> dict[str, int]:
    """Return these tokens, all single bytes, so that every text can be written, and the control tokens.

    The latter are here, too, or `tokenizers` would number them itself.
    """
    written = sorted({*range(SINGLE_BYTES), *token_ids})
    vocabulary = {_spelled(token_bytes(token_id)): token_id for token_id in written if token_id < FIRST_SPECIAL_ID}
    return vocabulary | {encoding().decode([token_id]): token_id for token_id in CONTROL_TOKENS}


def _spelled(token: bytes) -> str:
    """Write each byte as one character: those that can be seen as themselves, the others as U+0100 and on.

    https://github.com/openai/gpt-2/blob/master/src/encoder.py
    """
    return token.decode("latin-1").translate(HIDDEN_BYTES)
