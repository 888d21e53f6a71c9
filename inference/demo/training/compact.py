"""Writes a checkpoint as the compact file of the product: python -m inference.demo.training.compact FOLDER"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from inference.demo.folder import ROW_OF_TOKEN, WEIGHTS
from inference.demo.training.checkpoint import Checkpoint, load
from inference.demo.training.network import TIE, Shape
from inference.demo.training.tables import Tables
from inference.demo.training.vocabulary import SIZE

Array = NDArray[numpy.uint16]


def config(shape: Shape) -> dict[str, object]:
    """config.json with the fields of openai/gpt-oss-20b, without its quantization."""
    return {
        "architectures": ["GptOssForCausalLM"],
        "model_type": "gpt_oss",
        "torch_dtype": "bfloat16",
        "vocab_size": SIZE,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "num_key_value_heads": shape.num_key_value_heads,
        "head_dim": shape.head_dim,
        "attention_bias": True,
        "attention_dropout": 0.0,
        "num_local_experts": shape.num_local_experts,
        "num_experts_per_tok": shape.num_experts_per_tok,
        "experts_per_token": shape.num_experts_per_tok,
        "hidden_act": "silu",
        "swiglu_limit": shape.swiglu_limit,
        "rms_norm_eps": shape.rms_norm_eps,
        "sliding_window": shape.sliding_window,
        "layer_types": [
            "full_attention" if index % 2 else "sliding_attention" for index in range(shape.num_hidden_layers)
        ],
        "initial_context_length": shape.original_max_position_embeddings,
        "max_position_embeddings": 131072,
        "rope_theta": shape.rope_theta,
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": shape.rope_factor,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
            "original_max_position_embeddings": shape.original_max_position_embeddings,
        },
        "router_aux_loss_coef": 0.01,
        "output_router_logits": False,
        "tie_word_embeddings": False,
        "use_cache": True,
        "eos_token_id": 200002,
        "pad_token_id": 199999,
    }


def bfloat16(tensor: Tensor) -> Array:
    array: Array = tensor.detach().to(torch.bfloat16).contiguous().view(torch.uint16).numpy()
    return array


def _embedding(checkpoint: Checkpoint) -> tuple[Tensor, Array]:
    """Distinct rows, and the row of each token: its own, that of its word written in another way, or the unknown one."""
    vocabulary, weights = checkpoint.vocabulary, checkpoint.average
    tables = Tables(vocabulary)
    tokens = torch.tensor(vocabulary.inputs)
    outputs = tables.outputs[tokens]
    own = weights["rows"][1:] + weights["stems"][tables.stems[tokens]]
    own = own + TIE * weights["outputs"][outputs] * (outputs < len(vocabulary.outputs))[:, None]
    unknown = (weights["rows"][0] + weights["stems"][0])[None]
    row_of_token, used_stems = tables.rows.clone(), dict[int, int]()
    for token in (tables.rows == 0).nonzero()[:, 0].tolist():
        number = int(tables.stems[token])
        if number:
            row_of_token[token] = used_stems.setdefault(number, 1 + len(own) + len(used_stems))
    rows = torch.cat((unknown, own, weights["stems"][list(used_stems)]))
    return rows, row_of_token.numpy().astype(numpy.uint16)


def _layers(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The checkpoint's names, and gate and up alternating."""
    renamed = {}
    for name, tensor in weights.items():
        if not name.startswith("layers."):
            continue
        if "gate_up_proj" in name:
            tensor = torch.stack(tensor.chunk(2, -1), -1).flatten(-2)
        name = name.replace("mlp.gate_up", "mlp.experts.gate_up").replace("mlp.down", "mlp.experts.down")
        renamed[f"model.{name}.weight" if name.endswith("layernorm") else f"model.{name}"] = tensor
    return renamed | {"model.norm.weight": weights["norm"]}


def tensors(checkpoint: Checkpoint) -> dict[str, Array]:
    embedding, row_of_token = _embedding(checkpoint)
    found = {name: bfloat16(tensor) for name, tensor in _layers(checkpoint.average).items()}
    found["embedding"], found[ROW_OF_TOKEN.format("embedding")] = bfloat16(embedding), row_of_token
    found["head"] = bfloat16(checkpoint.average["outputs"])
    found[ROW_OF_TOKEN.format("head")] = Tables(checkpoint.vocabulary).outputs.numpy().astype(numpy.uint16)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the checkpoint")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    checkpoint = load(arguments.folder)
    if checkpoint is None:
        parser.error(f"no checkpoint in {arguments.folder}")
    temporary = arguments.output.with_suffix(".new")
    save_file(tensors(checkpoint), temporary, {"config": json.dumps(config(Shape()), indent=2) + "\n"})
    temporary.chmod(0o644)
    temporary.replace(arguments.output)
    sys.stdout.write(f"step {checkpoint.step}: {arguments.output} {arguments.output.stat().st_size / 1e6:.2f} MB\n")


if __name__ == "__main__":
    main()
