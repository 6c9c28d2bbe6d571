"""The native trainer of weighted bags (`linear.v1`, `cbow.v2`, `dan.v2`): Adagrad, text by text, in C.

Functions on numpy arrays, which know neither torch nor a stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from understudy.core.task import FloatArray, IntArray
from understudy.errors import MissingExtraError, RecipeError
from understudy.runtime.fast import extension
from understudy.tokenization.batching import shuffled
from understudy.training.native.trainer import FIRST_SQUARE, Arrays, State, widened

LOSSES = {False: ("mse", "kl", "hard", "gold"), True: ("mse", "bce", "hard", "gold")}
"""Losses by whether labels may hold together."""

AfterEpoch = Callable[[int, float, Arrays], bool]
"""Number of the epoch (from 1), mean loss, layers as `Bag` has them → whether to continue."""


@dataclass(frozen=True)
class Bag:
    """The weights of a weighted bag; the layers' matrices are ``(out, in)``, as in torch.

    Attributes:
        layers: Rows ``(n, d + direct)``, hidden weights ``(h, d)`` and bias ``(h,)``, output weights
            ``(c, h)`` and bias ``(c,)``; where d is 0, h is 0, too.
        weights: ``(n,)`` of each word and n-gram; 0 leaves it out.
        width: Numbers of an embedding, d.
        dropout: Share of a text's features that are dropped.
    """

    layers: Arrays
    weights: FloatArray
    width: int
    dropout: float = 0.0

    @property
    def labels(self) -> int:
        """Number of logits, c."""
        return len(self.layers[4])

    @property
    def direct(self) -> int:
        """Columns of a row that are parts of the logits: c or 0."""
        return int(self.layers[0].shape[1]) - self.width


@dataclass(frozen=True)
class BagTargets:
    """What is learnt; the losses are those of `understudy.optim.losses`.

    Attributes:
        loss: ``mse``, ``kl``, ``hard``, ``bce`` or ``gold``.
        soft: The teacher's logits ``(n, c)``; needed by every loss but ``gold``.
        gold: Columns ``(n,)`` int64, -1 where a text has none; or ``(n, c)`` of 0, 1 or NaN in multilabel.
        alpha: Share of the gold loss on texts that have a label, beside a soft loss.
        temperature: Temperature of ``kl`` and ``bce``.
        class_weights: ``(c,)``, a factor per label of the gold loss.
        thresholds: Multilabel, ``hard``: probabilities from which the teacher says that labels hold.

    Raises:
        RecipeError: The loss does not fit the labels, or needs soft targets that are missing.
    """

    loss: str
    soft: FloatArray | None
    gold: IntArray | FloatArray
    alpha: float = 0.0
    temperature: float = 1.0
    class_weights: FloatArray | None = None
    thresholds: FloatArray | float = 0.5

    def __post_init__(self) -> None:
        fitting = LOSSES[self.is_each]
        if self.loss not in fitting:
            kind = "that may hold together" if self.is_each else "that exclude each other"
            raise RecipeError(
                f"The native trainer knows, for labels {kind}, the losses {fitting}, but not {self.loss!r}."
            )
        if self.loss != "gold" and self.soft is None:
            raise RecipeError(f"The loss {self.loss!r} needs soft targets, but there are none.")

    @property
    def is_each(self) -> bool:
        """Whether labels do not exclude each other."""
        return self.gold.ndim == 2

    def prepared(self) -> FloatArray | None:
        """Soft targets as the extension reads them: logits for ``mse``, else probabilities."""
        if self.loss == "gold" or self.soft is None:
            return None
        if self.loss == "mse":
            return np.ascontiguousarray(self.soft, dtype=np.float32)
        scaled = self.soft / np.float32(1.0 if self.loss == "hard" else self.temperature)
        if self.is_each:
            likely = _sigmoid(scaled)
            made = likely >= self.thresholds if self.loss == "hard" else likely
        elif self.loss == "hard":
            made = np.eye(scaled.shape[1], dtype=np.float32)[scaled.argmax(axis=1)]
        else:
            powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
            made = powers / powers.sum(axis=1, keepdims=True)
        return np.ascontiguousarray(made, dtype=np.float32)


@dataclass(frozen=True)
class Rates:
    """Adagrad's learning rates: of rows, and of layers; both fall linearly to a tenth, epoch by epoch."""

    rows: float
    layers: float


def train_bag(
    first: Bag,
    ids: IntArray,
    ends: IntArray,
    targets: BagTargets,
    *,
    epochs: int,
    rates: Rates,
    seed: int,
    after_epoch: AfterEpoch,
    state: State | None = None,
    keep: Callable[[State], None] | None = None,
    level: int = 2,
) -> None:
    """Train text by text, in an order that is shuffled again each epoch; `after_epoch` sees the weights.

    Args:
        first: Weights to begin with; they are not changed.
        ids: Words and n-grams of all texts end to end.
        ends: Where each text ends in ``ids``.
        targets: Targets of the same texts.
        epochs: Passes, at most.
        rates: Learning rates.
        seed: Seed of shuffling and dropout.
        after_epoch: Called after each epoch; training stops where it says ``False``.
        state: To continue from, instead of ``first``; its arrays are changed.
        keep: Given the state after each epoch, unless that ended it; it must copy what it wants to have.
        level: Highest instruction set that may be used: 0 any processor's, 1 AVX2, 2 AVX-512.

    Raises:
        RecipeError: Sizes do not fit, or an id or label is out of range.
        MissingExtraError: The C extension was not built.
    """
    begin = _padded(first)
    state = state or State(0, begin, [np.full_like(layer, FIRST_SQUARE) for layer in begin])
    generator = np.random.default_rng(seed)
    taught = _taught(targets)
    lesson = (np.ascontiguousarray(ids, dtype=np.int32), np.ascontiguousarray(ends, dtype=np.int64))
    hidden = len(first.layers[2])
    sizes = (len(first.weights), first.width, first.direct, hidden, first.labels)
    weights = np.ascontiguousarray(first.weights, dtype=np.float32)
    temperature = targets.temperature if targets.loss in ("kl", "bce") else 1.0

    for epoch in range(1, epochs + 1):
        share = 1 - 0.9 * (epoch - 1) / max(1, epochs - 1)
        order = shuffled(len(ends), generator)  # also of epochs that are done: the next draws follow them
        drawn = int(generator.integers(1, 2**63))
        if epoch <= state.epoch:
            continue
        total = _pass(
            (*state.layers, *state.squares, *lesson, order, weights, *taught),
            sizes,
            (targets.loss == "mse", targets.is_each, temperature, targets.alpha, first.dropout),
            (rates.rows * share, rates.layers * share, drawn, level),
        )
        if not after_epoch(epoch, total / max(1, len(ends)), _cut(state.layers, first)):
            break
        if keep is not None:
            keep(State(epoch, state.layers, state.squares))


def _pass(
    arrays: tuple[Any, ...],
    sizes: tuple[int, int, int, int, int],
    kinds: tuple[bool, bool, float, float, float],
    settings: tuple[float, float, int, int],
) -> float:
    """One epoch in C."""
    try:
        total: float = extension().learn_bag(arrays, sizes, *kinds, *settings)
    except ImportError as error:
        raise MissingExtraError("The native trainer needs the C extension, which was not built.") from error
    except ValueError as error:
        raise RecipeError(f"The native trainer cannot use what it was given: {error}") from error
    if not np.isfinite(total):
        raise RecipeError("Training diverged: the loss is no longer finite. Check the teacher's logits.")
    return total


def _taught(targets: BagTargets) -> tuple[Any, Any, Any, Any]:
    """Soft targets, gold columns, gold rows and weights of labels, ``None`` where there are none."""
    uses_gold = targets.loss == "gold" or targets.alpha > 0.0
    columns = rows = None
    if uses_gold and targets.is_each:
        rows = np.ascontiguousarray(targets.gold, dtype=np.float32)
    elif uses_gold:
        columns = np.ascontiguousarray(targets.gold, dtype=np.int64)
    weights = targets.class_weights
    weights = None if weights is None else np.ascontiguousarray(weights, dtype=np.float32)
    return targets.prepared(), columns, rows, weights


def _sigmoid(logits: FloatArray) -> FloatArray:
    """Probabilities, without an overflow where logits are far from zero."""
    small = np.exp(-np.abs(logits))
    return (np.where(logits >= 0, 1.0, small) / (1.0 + small)).astype(np.float32)


def _padded(bag: Bag) -> Arrays:
    """New arrays for the extension: rows padded, the hidden layer (in, out), the output layer (out, in)."""
    rows, hidden, hidden_bias, output, output_bias = bag.layers
    return [widened(layer) for layer in (rows, hidden.T, hidden_bias[None], output, output_bias[None])]


def _cut(layers: Arrays, like: Bag) -> Arrays:
    """The weights without padding, as copies in torch's order."""
    rows, w1, b1, w2, b2 = layers
    width, hidden = like.layers[0].shape[1], len(like.layers[2])
    return [
        rows[:, :width].copy(),
        w1[:, :hidden].T.copy(),
        b1[0, :hidden].copy(),
        w2[:, :hidden].copy(),
        b2[0, : like.labels].copy(),
    ]
