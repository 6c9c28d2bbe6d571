"""A student, what it learns and what judges it: the batches, and the loss of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.task import Gold, IntArray, Item, Task
from understudy.optim.epochs import Score
from understudy.optim.loop import dev_score
from understudy.optim.losses import balanced_weights, combined, labelled
from understudy.students import spec
from understudy.students.layers.ragged import tensor_of
from understudy.students.registry import TrainingDefaults
from understudy.tokenization.batching import bucketed_batches, shuffled
from understudy.training.layer_learner import LayerLearner
from understudy.training.torch_student import Inputs, TorchStudent
from understudy.training.transfer_set import Transfer

STEPS = 100
"""Steps that an epoch shall have."""

FEWEST_A_STEP = 16
"""Texts of a step, at least."""


@dataclass(frozen=True)
class Lesson:
    """A student, what it learns, and what judges it.

    Attributes:
        student: The student, with its first weights.
        transfer: What it learns from.
        inputs: The transfer set as ids.
        dev: Items and gold labels that choose the epoch.
        dev_inputs: The items of dev as ids.
        loss: Which loss.
        config: How it is trained, with the options of the student's name.
    """

    student: TorchStudent
    transfer: Transfer
    inputs: Inputs
    dev: tuple[Sequence[Item], Gold]
    dev_inputs: Inputs
    loss: LossConfig
    config: TrainingConfig

    @property
    def defaults(self) -> TrainingDefaults:
        """How its architecture is trained where the recipe says nothing."""
        return spec(self.student.name).training

    def score(self) -> Score:
        """The score on dev, with the weights of this moment."""
        task = self.student.task
        logits = self.student.logits_of(self.dev_inputs)
        return dev_score(task, logits, self.dev[1], task.rows(self.dev[0]))

    def batches(self, generator: np.random.Generator, units: IntArray | None = None) -> list[IntArray]:
        """The batches of one epoch, over all units or over some."""
        lengths = self.inputs.lengths if units is None else self.inputs.lengths[units]
        size = self.config.batch_size or usual_batch(self.defaults.batch_size, len(lengths))
        if self.defaults.is_bucketed:
            found = bucketed_batches(lengths, size, generator)
        else:
            order = shuffled(len(lengths), generator)
            found = np.split(order, range(size, len(order), size))
        return found if units is None else [units[batch] for batch in found]

    def labelled_units(self) -> IntArray:
        """The units that have a row with a gold label."""
        has_gold = labelled(tensor_of(self.student.task.targets(self.transfer.gold))).numpy()
        counts = self.inputs.encoded.counts
        return np.unique(np.repeat(np.arange(len(counts)), counts)[has_gold])


def batch_loss(lesson: Lesson, learner: LayerLearner | None) -> Callable[[IntArray], Tensor]:
    """Units of a batch → the loss that the torch loop makes smaller."""
    student, inputs, loss = lesson.student, lesson.inputs, lesson.loss
    targets = Targets(student.task, lesson.transfer, loss, has_weights=lesson.config.class_weights)

    def loss_of(units: IntArray) -> Tensor:
        batch, rows = inputs.batch(units), inputs.encoded.rows(units)
        if learner is None:
            return targets.loss(inputs.answered(units, student.module(*batch)), rows)
        logits, layers = learner(*batch)
        total: Tensor = targets.loss(logits, rows) + loss.layers * layers.mean()
        return total

    return loss_of


def usual_batch(most: int, texts: int) -> int:
    """Default batch size: chosen so that an epoch has `STEPS` steps, within bounds.

    Chosen on dev of four sets: with 256 texts a step, students of a few thousand texts learn them by heart
    before they compare anything (STS-B: 0.24 at best, against 0.50 with 32). It is not a law: dev accuracy of
    ``cbow.v1`` with gold labels, so against 256 texts a step, three seeds: 0.525 / 0.474 on 1,000 texts
    of Emotion, 0.770 / 0.748 on 4,000, 0.557 / 0.532 on the bundled set, but 0.753 / 0.773 on 2,000 of SST-2.
    A smaller learning rate for smaller steps (by the root, or in proportion) loses more than it gains.
    """
    return min(most, max(FEWEST_A_STEP, texts // STEPS))


class Targets:
    """Soft and gold targets as tensors, and the loss of a batch of row numbers."""

    def __init__(self, task: Task, transfer: Transfer, loss: LossConfig, *, has_weights: bool) -> None:
        self.task, self.config = task, loss
        self.soft = None if transfer.soft is None else tensor_of(transfer.soft)
        self.gold = tensor_of(task.targets(transfer.gold))
        self.weights = balanced_weights(task, transfer.gold) if has_weights else None

    def loss(self, logits: Tensor, rows: IntArray) -> Tensor:
        """The mean loss of logits ``(b, c)`` of some rows ``(b,)``."""
        picked = torch.from_numpy(rows)
        soft = None if self.soft is None else self.soft[picked]
        if soft is not None and self.config.noise > 0.0:  # seeded by the loop, epoch by epoch
            soft = soft * (1.0 + self.config.noise * torch.randn_like(soft))
        return combined(logits, soft, self.gold[picked], self.config, self.task, weights=self.weights)
