"""The epochs of a training: their curve, the best of them on dev, and when a checkpoint is due."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

SAVING_SHARE = 0.05
"""Share of a training's time that may go into checkpoints."""

Score = tuple[float, float]
"""What is maximised on dev: the task's metric, then (to break ties) minus the dev loss."""

W = TypeVar("W")
"""Weights, in the form that a trainer keeps them in."""


def rank(score: float) -> float:
    """A score as it is compared: what is not a number is worse than every number."""
    return -math.inf if math.isnan(score) else score


@dataclass(frozen=True)
class Epoch:
    """One line of a training curve; ``seconds`` includes scoring dev."""

    epoch: int
    train_loss: float
    dev_score: float
    dev_loss: float
    seconds: float


@dataclass
class EpochLog(Generic[W]):
    """The epochs of a training so far.

    Attributes:
        best: Weights of the best epoch; before the first, those to begin with, or ``None``.
        curve: One line an epoch.
        best_score: Score of the best epoch.
        best_epoch: Number of the best epoch, from 1; 0 before the first.
        started: When the epoch in progress began, by `time.perf_counter`.
        saved_at: When the last checkpoint was written; before the first, when the training began.
        saving_seconds: How long writing it took; before the first, a guess, so that a training of a second
            writes none.
    """

    best: W | None = None
    curve: list[Epoch] = field(default_factory=list)
    best_score: Score = (-float("inf"), -float("inf"))
    best_epoch: int = 0
    started: float = field(default_factory=time.perf_counter)
    saved_at: float = field(default_factory=time.perf_counter)
    saving_seconds: float = 0.05

    def is_better(self, reached: Score) -> bool:
        """Whether an epoch with this score would be the best so far.

        The first epoch always is. A score that is not a number is beaten by any number.
        """
        if self.best_epoch == 0:
            return True
        return tuple(map(rank, reached)) > tuple(map(rank, self.best_score))

    def add(self, train_loss: float, reached: Score, weights: W | None) -> None:
        """Note an epoch that was done.

        Args:
            train_loss: Mean loss of its batches.
            reached: Its score on dev.
            weights: Its weights; only needed where `is_better`.
        """
        number = len(self.curve) + 1
        if self.is_better(reached):
            self.best, self.best_score, self.best_epoch = weights, reached, number

        now = time.perf_counter()
        self.curve.append(Epoch(number, train_loss, reached[0], -reached[1], now - self.started))
        self.started = now

    def is_patience_over(self, patience: int | None) -> bool:
        """Whether so many epochs were not better than the best; with ``None`` never."""
        return patience is not None and len(self.curve) - self.best_epoch >= patience

    @property
    def is_saving_due(self) -> bool:
        """Whether training went on long enough since the last checkpoint for another to cost little."""
        return time.perf_counter() - self.saved_at >= self.saving_seconds / SAVING_SHARE

    def note_saving(self, began: float) -> None:
        """Note that a checkpoint was written just now, and how long that took."""
        self.saved_at = time.perf_counter()
        self.saving_seconds = self.saved_at - began

    def facts(self) -> dict[str, object]:
        """All but the weights, JSON-ready; `restore` reads it."""
        return {
            "best_score": list(self.best_score),
            "best_epoch": self.best_epoch,
            "curve": [asdict(epoch) for epoch in self.curve],
        }

    def restore(self, facts: Mapping[str, Any], best: W) -> None:
        """Go on from the `facts` of a checkpoint and the weights of its best epoch."""
        self.best = best
        self.best_score = (facts["best_score"][0], facts["best_score"][1])
        self.best_epoch = facts["best_epoch"]
        self.curve = [Epoch(**epoch) for epoch in facts["curve"]]
