"""From packs to tensors: which rows of the embeddings the tokens have, what is predicted where."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.demo.training.dialogues import Pack
from inference.demo.training.vocabulary import SIZE, UNKNOWN_ROW, Vocabulary, indices, stem


@dataclass(frozen=True)
class Batch:
    """ids: prefix and padded branches; wanted: branch positions with a loss; targets: output rows predicted there;
    weights: of the loss there."""

    ids: Tensor
    wanted: Tensor
    targets: Tensor
    weights: Tensor


class Tables:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.rows = torch.tensor(indices(vocabulary.inputs, UNKNOWN_ROW, 1))
        self.outputs = torch.tensor(indices(vocabulary.outputs, len(vocabulary.outputs), 0))
        numbers = {word: index for index, word in enumerate(vocabulary.stems, 1)}
        self.stems = torch.tensor([numbers.get(stem(token), 0) for token in range(SIZE)])
        # All unused tokens share the last output row: together they weigh as much as their number.
        self.unused_bias = torch.zeros(len(vocabulary.outputs) + 1)
        self.unused_bias[-1] = math.log(vocabulary.unused)

    def embedding(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of the three embeddings."""
        return self.rows[ids], self.stems[ids], self.outputs[ids]

    def batch(self, pack: Pack) -> Batch:
        length = max(len(branch.ids) for branch in pack.branches)
        ids, wanted, targets, weights = list(pack.prefix), list[int](), list[int](), list[float]()
        for row, branch in enumerate(pack.branches):
            ids += branch.ids + [0] * (length - len(branch.ids))
            wanted += range(row * length + branch.start - 1, row * length + len(branch.ids) - 1)
            targets += branch.ids[branch.start :]
            weights += [branch.weight] * (len(branch.ids) - branch.start)
        predicted = self.outputs[torch.tensor(targets)]
        if int(predicted.max()) == len(self.unused_bias) - 1:
            raise ValueError("an answer has a token outside of the vocabulary: start in a new folder")
        return Batch(torch.tensor(ids), torch.tensor(wanted), predicted, torch.tensor(weights))
