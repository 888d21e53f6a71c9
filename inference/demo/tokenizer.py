"""The demo model's tokenizer, as Hugging Face keeps one: which bytes each token stands for.

vLLM needs it to tell which tokens may come next where an answer must obey a schema. Nobody encodes text with it: it
has no merges.
"""

from __future__ import annotations

import json

from inference.vocabulary import FIRST_SPECIAL_ID, encoding

SPECIAL_TOKENS_END = 200_019
"""From here on control tokens have no names; the tokenizer of gpt-oss leaves them out as well."""

END_OF_TEXT = "<|endoftext|>"
RETURN = "<|return|>"


def tokenizer_files() -> dict[str, str]:
    """Return the texts of the files by name; takes about 0.5 s."""
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": RETURN,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
    }
    return {
        "tokenizer.json": json.dumps(_tokenizer(), ensure_ascii=False, separators=(",", ":")),
        "tokenizer_config.json": json.dumps(configuration, indent=2) + "\n",
    }


def _tokenizer() -> dict[str, object]:
    """The format is that of the `tokenizers` library: a byte-level BPE model."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special_token(token_id) for token_id in range(FIRST_SPECIAL_ID, SPECIAL_TOKENS_END)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": _vocabulary(), "merges": []},
    }


def _special_token(token_id: int) -> dict[str, object]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token_id, "content": encoding().decode([token_id]), **flags, "special": True}


def _vocabulary() -> dict[str, int]:
    """Return all ordinary tokens, each byte written as one character."""
    decode, characters = encoding().decode, _characters_of_bytes()
    # Latin-1 shows bytes as the characters of the same number.
    tokens = (decode([token_id], "surrogateescape") for token_id in range(FIRST_SPECIAL_ID))
    return {
        token.encode("utf-8", "surrogateescape").decode("latin-1").translate(characters): token_id
        for token_id, token in enumerate(tokens)
    }


def _characters_of_bytes() -> dict[int, str]:
    """The byte-level alphabet: bytes that can be seen stand for themselves, the others for U+0100 and on.

    https://github.com/openai/gpt-2/blob/master/src/encoder.py
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(0x100) if byte not in visible]
    return {byte: chr(0x100 + number) for number, byte in enumerate(hidden)}
