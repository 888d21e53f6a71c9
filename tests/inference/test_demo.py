"""The demo model: its folder, what it does on the real vLLM, and that its training data say what is true."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import mean
from uuid import uuid4

import numpy
import pytest
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from inference.demo import folder as demo_folder
from inference.demo import materialise, materialised_bytes
from inference.demo.training.dialogues import exchange, packs
from inference.demo.training.evaluate import render
from inference.demo.training.exchange import EFFORTS, Effort
from inference.demo.training.facts import FACTS
from inference.demo.training.rendering import encode_all, past_turn, system, user
from inference.demo.training.scoring import Reply, Turn, parse
from inference.engine import STOP_TOKEN_IDS, VOCABULARY_SIZE, Engine, Sampling
from inference.vocabulary import encoding, token_bytes

MEGABYTE = 1_000_000
BYTES = {character: byte for byte, character in bytes_to_unicode().items()}


def test_compact_file_is_small() -> None:
    assert demo_folder.WEIGHTS.stat().st_size <= 10 * MEGABYTE


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, inference.demo; print({'numpy', 'torch', 'safetensors', 'vllm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_materialise_makes_a_complete_folder_once(tmp_path: Path) -> None:
    folder = materialise(tmp_path / "cache")
    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    files = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(written) == files
    assert materialise(tmp_path / "cache") == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == written
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [folder.name]


def test_materialised_bytes_is_what_the_folder_takes(tmp_path: Path) -> None:
    total = sum(path.stat().st_size for path in materialise(tmp_path).iterdir())
    assert materialised_bytes() < total < materialised_bytes() + 100_000


def test_folder_name_changes_with_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = materialise(tmp_path)
    other = tmp_path / "other.safetensors"
    other.write_bytes(demo_folder.WEIGHTS.read_bytes() + b" ")
    monkeypatch.setattr(demo_folder, "WEIGHTS", other)
    demo_folder._digest.cache_clear()
    try:
        assert f"localai-demo-{demo_folder._digest()}" != first.name
    finally:
        demo_folder._digest.cache_clear()


def test_folder_name_changes_with_the_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = demo_folder._digest()
    other = tmp_path / "tokenizer.py"
    other.write_bytes(demo_folder.TOKENIZER_CODE.read_bytes() + b"#")
    monkeypatch.setattr(demo_folder, "TOKENIZER_CODE", other)
    demo_folder._digest.cache_clear()
    try:
        assert demo_folder._digest() != first
    finally:
        demo_folder._digest.cache_clear()


def test_two_processes_at_once_get_the_same_folder(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as executor:
        folders = set(executor.map(materialise, [tmp_path] * 4))
    assert [path.name for path in tmp_path.iterdir()] == [folder.name for folder in folders]


def test_full_disk_raises_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(demo_folder, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        materialise(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_config_is_a_genuine_gpt_oss_without_quantization(model_folder: Path) -> None:
    config = json.loads((model_folder / "config.json").read_text())
    assert config["architectures"] == ["GptOssForCausalLM"]
    assert config["vocab_size"] == VOCABULARY_SIZE
    assert config["max_position_embeddings"] == 131_072
    assert "quantization_config" not in config
    # vLLM does not read layer_types: it takes even layers as sliding.
    assert config["layer_types"] == ["sliding_attention", "full_attention"] * (config["num_hidden_layers"] // 2)
    generation = json.loads((model_folder / "generation_config.json").read_text())
    assert 200_002 in generation["eos_token_id"]
    assert generation["top_p"] == 1.0


def test_weights_are_finite_and_fit_the_config(model_folder: Path) -> None:
    config = json.loads((model_folder / "config.json").read_text())
    with safe_open(model_folder / "model.safetensors", framework="pt") as file:
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            tensor = file.get_tensor(name)
            assert tuple(tensor.shape) == (VOCABULARY_SIZE, config["hidden_size"])
            assert bool(numpy.isfinite(tensor.float().numpy()).all())
        gate_up = file.get_slice("model.layers.0.mlp.experts.gate_up_proj").get_shape()
    assert gate_up == [config["num_local_experts"], config["hidden_size"], 2 * config["intermediate_size"]]


def test_tokenizer_knows_the_bytes_of_what_the_model_writes(model_folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(model_folder / "tokenizer.json"))
    ids = set(tokenizer.get_vocab().values())
    answer = encoding().encode("What I can: tables, `code`, and 20 × 3 = 60.\n")
    assert {*range(256), *answer, 200_002, 200_012} <= ids
    assert {tokenizer.id_to_token(token_id) for token_id in STOP_TOKEN_IDS} == {"<|return|>", "<|call|>"}
    for token_id in (each for each in ids if each < 199_998):
        spelled = tokenizer.id_to_token(token_id) or ""
        assert bytes(BYTES[character] for character in spelled) == token_bytes(token_id)


@pytest.mark.parametrize("name", FACTS)
def test_answer_of_a_fact_contains_its_keys(name: str) -> None:
    for key in FACTS[name].keys:
        assert key.lower() in FACTS[name].answer.lower()


def test_training_text_is_what_the_product_renders() -> None:
    random = Random(1)
    for _ in range(40):
        effort, past, made = random.choice(EFFORTS), exchange(random), exchange(random)
        if "¤" in past.prompt + made.prompt:
            continue
        text = (
            system(effort, "2026-11-22") + past_turn(past.prompt, past.final) + user(made.prompt) + "<|start|>assistant"
        )
        history: list[Turn] = [{"user": past.prompt, "assistant": past.final}]
        assert encode_all([text])[0] == render(made.prompt, effort, history)


def test_packs_fit_the_context() -> None:
    for pack in packs(Random(1), 40):
        assert all(0 < branch.start < len(branch.ids) for branch in pack.branches)
        assert len(pack.prefix) + max(len(branch.ids) for branch in pack.branches) < 3200


async def replies(engine: Engine, prompts: Sequence[list[int]], sampling: Sampling) -> list[Reply]:
    async def reply(number: int, ids: list[int]) -> Reply:
        seeded = Sampling(sampling.max_tokens, sampling.temperature, seed=number)
        tokens = [token async for each in engine.generate(ids, seeded, str(uuid4())) for token in each.token_ids]
        return parse(encoding().decode(tokens))

    return await asyncio.gather(*(reply(number, ids) for number, ids in enumerate(prompts)))


def drawn(number: int, effort: Effort | None = None) -> list[list[int]]:
    random = Random("tests")
    made = [exchange(random).prompt.replace("¤", "Zyxxyz") for _ in range(number)]
    return [render(prompt, effort or EFFORTS[index % 3]) for index, prompt in enumerate(made)]


@pytest.mark.parametrize(("temperature", "wanted"), [(0.0, 50), (1.0, 48)])
async def test_fifty_replies_are_well_formed(local_engine: Engine, temperature: float, wanted: int) -> None:
    found = await replies(local_engine, drawn(50), Sampling(800, temperature))
    assert sum(reply.is_well_formed and bool(reply.final) for reply in found) >= wanted


async def test_more_effort_thinks_longer(local_engine: Engine) -> None:
    prompts = (
        "Hello",
        "What is LocalAI?",
        "Write a poem about the sea",
        "Show me a table",
        "What is the capital of Peru?",
    )
    length = {
        effort: mean(
            len(reply.analysis)
            for reply in await replies(local_engine, [render(each, effort) for each in prompts], Sampling(800, 0.0))
        )
        for effort in EFFORTS
    }
    assert length["low"] == 0
    assert length["high"] > 2 * length["medium"] > 0


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("Hello", "Hello|Hi"),
        ("What is LocalAI?", "private"),
        ("How do I use the real model?", "MODEL_NAME"),
        ("What is MAX_CONTEXT_TOKENS?", "2000"),
        ("What is 47 + 38?", r"\*\*85\*\*"),
        ("What is the capital of Peru?", "Lima"),
        ("What is the capital of Narnia?", "tiny demo model"),
        ("Show me a table", r"\| Apple \| red \| 2 \|"),
        ("Write a poem about the sea", "tiny demo model"),
        ("Count to 12", r"10, 11, 12\.$"),
    ],
)
@pytest.mark.parametrize("effort", EFFORTS)
async def test_known_questions_are_answered(local_engine: Engine, prompt: str, wanted: str, effort: Effort) -> None:
    [reply] = await replies(local_engine, [render(prompt, effort)], Sampling(800, 0.0))
    assert re.search(wanted, reply.final)


async def test_forced_final_channel_gives_the_answer(local_engine: Engine) -> None:
    analysis = "<|channel|>analysis<|message|>The user asks for the capi<|end|>"
    forced = encoding().encode(analysis + "<|start|>assistant<|channel|>final<|message|>", allowed_special="all")
    stream = local_engine.generate(render("capital of Peru", "medium") + forced, Sampling(100, 0.0), str(uuid4()))
    answer = encoding().decode([token async for tokens in stream for token in tokens.token_ids])
    assert "Lima" in answer
    assert answer.endswith("<|return|>")


async def test_long_history_keeps_the_format(local_engine: Engine) -> None:
    answer = "LocalAI is a private chat for OpenAI's open-weight gpt-oss models. " * 8
    history: list[Turn] = [{"user": "What is LocalAI?", "assistant": answer}] * 14
    ids = render("What is 23 + 45?", "medium", history, context_tokens=4000)
    assert 1500 < len(ids) < 2500
    [reply] = await replies(local_engine, [ids], Sampling(400, 0.0))
    assert reply.is_well_formed
