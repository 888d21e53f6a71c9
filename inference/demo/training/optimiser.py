"""Muon for the matrices of the layers, AdamW for everything else (https://kellerjordan.github.io/posts/muon/)."""

from __future__ import annotations

import torch
from torch import Tensor

from inference.demo.training.network import Network

_MUON_LEARNING_RATE, _ADAM_LEARNING_RATE = 0.008, 1.5e-3
_MOMENTUM = 0.95


class Optimiser:
    def __init__(self, network: Network) -> None:
        named = dict(network.layers.named_parameters())
        self.matrices = [
            each for name, each in named.items() if each.ndim >= 2 and "router" not in name and "bias" not in name
        ]
        chosen = {id(each) for each in self.matrices}
        self.adam = torch.optim.AdamW(
            [each for each in network.parameters() if id(each) not in chosen],
            lr=_ADAM_LEARNING_RATE,
            betas=(0.9, 0.98),
            weight_decay=0.0,
            fused=True,
        )
        self.momenta = [torch.zeros_like(each) for each in self.matrices]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """`rate` scales both learning rates."""
        for group in self.adam.param_groups:
            group["lr"] = _ADAM_LEARNING_RATE * rate
        self.adam.step()
        for matrix, momentum in zip(self.matrices, self.momenta, strict=True):
            gradient = matrix.grad if matrix.grad is not None else torch.zeros_like(matrix)
            momentum.lerp_(gradient, 1 - _MOMENTUM)
            update = _orthogonal(gradient.lerp(momentum, _MOMENTUM))
            matrix.add_(
                update, alpha=-_MUON_LEARNING_RATE * rate * max(1.0, matrix.shape[-2] / matrix.shape[-1]) ** 0.5
            )
        for each in (*self.matrices, *(p for group in self.adam.param_groups for p in group["params"])):
            each.grad = None

    def state(self) -> dict[str, object]:
        return {"adam": self.adam.state_dict(), "momenta": self.momenta}

    def load(self, state: dict[str, object]) -> None:
        self.adam.load_state_dict(state["adam"])
        momenta = state["momenta"]
        assert isinstance(momenta, list)
        for mine, theirs in zip(self.momenta, momenta, strict=True):
            mine.copy_(theirs)


def _orthogonal(x: Tensor) -> Tensor:
    """Five Newton-Schulz steps; x: [..., rows, columns]."""
    is_tall = x.shape[-2] > x.shape[-1]
    x = x.mT if is_tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if is_tall else x
