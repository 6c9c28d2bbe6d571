"""The supervised contrastive loss: texts of one label are drawn together, those of others pushed apart."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from understudy.core.task import IntArray


def supervised_contrastive(features: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Mean loss of a batch: ``(b, d), (b,) int64 -> ()``.

    Khosla et al. 2020, eq. 2. Features are brought to unit length, and ``s = f · fᵀ / temperature``. The loss
    of a text is minus the mean of ``s - log Σ exp s`` over the other texts of its label, where the sum is
    over all other texts. A text that is alone with its label only stands in the sums of the others.
    """
    unit = F.normalize(features, dim=-1)
    itself = torch.eye(len(labels), dtype=torch.bool)
    likeness = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    logs = likeness - torch.logsumexp(likeness, dim=1, keepdim=True)

    is_positive = (labels[:, None] == labels[None]) & ~itself
    counts = is_positive.sum(dim=1)
    each = -torch.where(is_positive, logs, 0.0).sum(dim=1) / counts.clamp(min=1)
    return each.sum() / (counts > 0).sum().clamp(min=1)


def label_batches(labels: IntArray, size: int, steps: int, generator: np.random.Generator) -> list[IntArray]:
    """Batches of row numbers in which every label that occurs has at least two places.

    Labels take turns, and so do the rows of a label, each in an order that is shuffled anew for each turn. So
    rare labels stand in as many batches as frequent ones, and a label with one row gives it twice.

    Args:
        labels: ``(n,)`` label of each row.
        size: Rows of a batch, at most; with two labels or more at least 4.
        steps: Number of batches.
        generator: Source of the order.
    """
    seen = np.unique(labels)
    together = min(len(seen), max(2, size // 2))  # labels in one batch
    each = size // together

    turn = _Turns(seen, generator)
    rows = {int(label): _Turns(np.flatnonzero(labels == label), generator) for label in seen}
    drawn = [[turn.take() for _ in range(together)] for _ in range(steps)]
    return [np.array([rows[label].take() for label in batch for _ in range(each)]) for batch in drawn]


class _Turns:
    """Numbers one after another, in a new order each time that all have had their turn."""

    def __init__(self, numbers: IntArray, generator: np.random.Generator) -> None:
        self.numbers, self.generator = numbers, generator
        self.left: list[int] = []

    def take(self) -> int:
        """The next number."""
        if not self.left:
            self.left = self.generator.permutation(self.numbers).tolist()
        return self.left.pop()
