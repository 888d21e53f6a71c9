"""A small gpt-oss in PyTorch for training: the same maths as transformers' GptOssForCausalLM, on packs of branches.

Every projection has the layout of the Hugging Face checkpoint, but gate and up are two halves here (they alternate there).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

TIE = 4.0  # how much of a token's output row is part of its input row: it helps to copy numbers


@dataclass(frozen=True)
class Shape:
    """The dimensions; the names are those of config.json."""

    hidden_size: int = 128
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 64
    num_local_experts: int = 4
    num_experts_per_tok: int = 2
    intermediate_size: int = 128
    sliding_window: int = 128
    rope_theta: float = 150_000.0
    rope_factor: float = 32.0
    original_max_position_embeddings: int = 4096
    swiglu_limit: float = 7.0
    rms_norm_eps: float = 1e-5


def yarn_frequencies(shape: Shape) -> tuple[Tensor, float]:
    """Inverse frequencies and the factor on sine and cosine (transformers: `_compute_yarn_parameters`, truncate off)."""
    half = shape.head_dim // 2
    exponents = shape.rope_theta ** (torch.arange(half).double() * 2 / shape.head_dim)

    def dimension(rotations: float) -> float:
        ratio = shape.original_max_position_embeddings / (rotations * 2 * math.pi)
        return shape.head_dim * math.log(ratio) / (2 * math.log(shape.rope_theta))

    low, high = max(dimension(32.0), 0.0), min(dimension(1.0), shape.head_dim - 1.0)
    ramp = ((torch.arange(half).double() - low) / (high - low)).clamp(0, 1)
    frequencies = ramp / (shape.rope_factor * exponents) + (1 - ramp) / exponents
    return frequencies.float(), 0.1 * math.log(shape.rope_factor) + 1.0


def norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


class Attention(nn.Module):
    def __init__(self, shape: Shape, is_sliding: bool) -> None:
        super().__init__()
        self.shape, self.window = shape, shape.sliding_window if is_sliding else 1 << 30
        width, kv_width = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, width)
        self.k_proj = nn.Linear(shape.hidden_size, kv_width)
        self.v_proj = nn.Linear(shape.hidden_size, kv_width)
        self.o_proj = nn.Linear(width, shape.hidden_size)
        self.sinks = nn.Parameter(torch.zeros(shape.num_attention_heads))

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], prefix: int, rows: int, is_last: bool) -> Tensor:
        """x: [prefix + rows * length, hidden]; in the last layer only the branches get an output."""
        start = prefix if is_last else 0
        cos, sin = rotation
        groups, heads, size = self.shape.num_key_value_heads, self.shape.num_attention_heads, self.shape.head_dim
        q = self._rotate(self.q_proj(x[start:]).view(-1, heads, size), cos[start:], sin[start:]) * size**-0.5
        k = self._rotate(self.k_proj(x).view(-1, groups, size), cos, sin)
        v = self.v_proj(x).view(-1, groups, size)
        branches = self._branches(q[prefix - start :], k, v, prefix, rows)
        if is_last:
            return self.o_proj(branches)
        return self.o_proj(torch.cat((self._prefix(q[:prefix], k[:prefix], v[:prefix]), branches)))

    @staticmethod
    def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        first, second = x.chunk(2, -1)
        cos, sin = cos[:, None], sin[:, None]
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)

    def _prefix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        length, groups = len(q), self.shape.num_key_value_heads
        q = q.view(length, groups, -1, self.shape.head_dim).permute(1, 2, 0, 3).flatten(1, 2)  # [g, h/g * P, D]
        scores = (q @ k.permute(1, 2, 0)).view(groups, -1, length, length)
        distance = torch.arange(length)[:, None] - torch.arange(length)
        scores = scores.masked_fill((distance < 0) | (distance >= self.window), -1e30)
        sinks = self.sinks.view(groups, -1, 1, 1).expand(-1, -1, length, 1)
        weights = torch.cat((scores, sinks), -1).softmax(-1)[..., :-1]
        out = weights.flatten(1, 2) @ v.transpose(0, 1)
        return out.view(groups, -1, length, self.shape.head_dim).permute(2, 0, 1, 3).reshape(length, -1)

    def _branches(self, q: Tensor, k: Tensor, v: Tensor, prefix: int, rows: int) -> Tensor:
        length, groups, size = len(q) // rows, self.shape.num_key_value_heads, self.shape.head_dim
        first = max(0, prefix - self.window + 1)
        q = q.view(rows, length, groups, -1, size).permute(2, 0, 3, 1, 4)  # [g, B, h/g, L, D]
        own_k, own_v = (each[prefix:].view(rows, length, groups, size).permute(2, 0, 3, 1) for each in (k, v))
        seen = prefix - first
        to_prefix = q.reshape(groups, -1, size) @ k[first:prefix].permute(1, 2, 0)
        to_own = q.reshape(groups, rows, -1, size) @ own_k
        positions = torch.arange(length)[:, None]
        own = positions - torch.arange(length)
        to_own = to_own.view(groups, rows, -1, length, length).masked_fill((own < 0) | (own >= self.window), -1e30)
        to_prefix = to_prefix.view(groups, rows, -1, length, seen)
        to_prefix = to_prefix.masked_fill(prefix + positions - torch.arange(first, prefix) >= self.window, -1e30)
        sinks = self.sinks.view(groups, 1, -1, 1, 1).expand(-1, rows, -1, length, 1)
        weights = torch.cat((to_prefix, to_own, sinks), -1).softmax(-1)
        out = (weights[..., :seen].reshape(groups, -1, seen) @ v[first:prefix].transpose(0, 1)).view(
            groups, rows, -1, size
        )
        out = out + weights[..., seen:-1].reshape(groups, rows, -1, length) @ own_v.transpose(-1, -2)
        return out.view(groups, rows, -1, length, size).permute(1, 3, 0, 2, 4).reshape(rows * length, -1)


class Experts(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        experts, hidden, inner = shape.num_local_experts, shape.hidden_size, shape.intermediate_size
        self.router = nn.Linear(hidden, experts)
        self.gate_up_proj = nn.Parameter(torch.randn(experts, hidden, 2 * inner) * hidden**-0.5)
        self.gate_up_proj_bias = nn.Parameter(torch.zeros(experts, 2 * inner))
        self.down_proj = nn.Parameter(torch.randn(experts, inner, hidden) * 0.5 * inner**-0.5)
        self.down_proj_bias = nn.Parameter(torch.zeros(experts, hidden))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output and the loss that balances the experts."""
        logits = self.router(x)
        top, chosen = logits.topk(self.shape.num_experts_per_tok, -1)
        weights = top.softmax(-1)
        out = torch.zeros_like(x)
        parameters = zip(
            *(
                each.unbind(0)
                for each in (self.gate_up_proj, self.gate_up_proj_bias, self.down_proj, self.down_proj_bias)
            ),
            strict=True,
        )
        for expert, (gate_up, gate_up_bias, down, down_bias) in enumerate(parameters):
            rows, slots = torch.where(chosen == expert)
            gate, up = torch.addmm(gate_up_bias, x[rows], gate_up).chunk(2, -1)
            gate = gate.clamp(max=self.shape.swiglu_limit)
            up = up.clamp(-self.shape.swiglu_limit, self.shape.swiglu_limit)
            made = torch.addmm(down_bias, (up + 1) * gate * torch.sigmoid(1.702 * gate), down)
            out = out.index_add(0, rows, made * weights[rows, slots, None])
        share = torch.zeros_like(logits).scatter(1, chosen, 1.0).mean(0)
        return out, (
            share * logits.softmax(-1).mean(0)
        ).sum() * self.shape.num_local_experts / self.shape.num_experts_per_tok


class Layer(nn.Module):
    def __init__(self, shape: Shape, is_sliding: bool) -> None:
        super().__init__()
        self.input_layernorm = nn.Parameter(torch.ones(shape.hidden_size))
        self.self_attn = Attention(shape, is_sliding)
        self.post_attention_layernorm = nn.Parameter(torch.ones(shape.hidden_size))
        self.mlp = Experts(shape)


class Network(nn.Module):
    """`inputs`, `outputs` and `stems` are tables token → row of the three embeddings (see `vocabulary.py`)."""

    def __init__(self, shape: Shape, rows: int, outputs: int, stems: int) -> None:
        super().__init__()
        self.shape = shape
        self.rows = nn.Parameter(torch.randn(rows, shape.hidden_size) * 0.15)
        self.stems = nn.Parameter(torch.randn(stems, shape.hidden_size) * 0.15)
        self.outputs = nn.Parameter(
            torch.randn(outputs + 1, shape.hidden_size) * 0.05
        )  # the last one: all unused tokens
        self.layers = nn.ModuleList(Layer(shape, index % 2 == 0) for index in range(shape.num_hidden_layers))
        self.norm = nn.Parameter(torch.ones(shape.hidden_size))
        self.frequencies, self.rope_scale = yarn_frequencies(shape)

    def embed(self, rows: Tensor, stems: Tensor, outputs: Tensor, dropout: float = 0.0) -> Tensor:
        """`outputs` is the last row where the token is never written; that row adds nothing.

        A token with a stem but without a row gets its stem only; `dropout` is the share of others treated like that.
        """
        tied = functional.embedding(outputs, self.outputs) * (outputs < len(self.outputs) - 1)[:, None]
        own = functional.embedding(rows, self.rows) + TIE * tied
        has_own = (rows > 0) & (torch.rand(len(stems)) >= dropout)
        own = own * (has_own | (stems == 0))[:, None]
        return functional.embedding(stems, self.stems) + own

    def forward(self, x: Tensor, prefix: int, rows: int, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """x: embedded prefix and padded branches; returns the logits at the branch positions `wanted`, and the balance loss."""
        length = (len(x) - prefix) // rows
        positions = torch.cat((torch.arange(prefix), (prefix + torch.arange(length)).repeat(rows)))
        angles = positions[:, None].float() * self.frequencies
        rotation = angles.cos() * self.rope_scale, angles.sin() * self.rope_scale
        balance = x.new_zeros(())
        eps = self.shape.rms_norm_eps
        for index in range(len(self.layers)):
            layer = cast(Layer, self.layers[index])
            is_last = index == len(self.layers) - 1
            mixed = layer.self_attn(norm(x, layer.input_layernorm, eps), rotation, prefix, rows, is_last)
            x = (x[prefix:] + mixed)[wanted] if is_last else x + mixed
            made, uneven = layer.mlp(norm(x, layer.post_attention_layernorm, eps))
            x, balance = x + made, balance + uneven
        return norm(x, self.norm, eps) @ self.outputs.T, balance
