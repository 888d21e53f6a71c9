"""A training checkpoint on disk, replaced at once so that an interruption never leaves half of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from inference.demo.training.vocabulary import Vocabulary

_NAME = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """`average` are the weights averaged over the last steps: those that are delivered."""

    step: int
    vocabulary: Vocabulary
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: dict[str, object]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    temporary = folder / (_NAME + ".new")
    torch.save(checkpoint.__dict__, temporary)
    temporary.replace(folder / _NAME)


def load(folder: Path) -> Checkpoint | None:
    """The last checkpoint; it is our own file, so unpickling is safe."""
    path = folder / _NAME
    return Checkpoint(**torch.load(path, weights_only=False)) if path.exists() else None
