"""The native trainer of `cbow` and `dan`: a step of Adagrad for each text, in C, up to millions a second.

It is a function on numpy arrays, and knows neither torch nor a stage. Texts come from the C splitter as
arrays of ids; no Python list stands between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from understudy.core.task import FloatArray, IntArray
from understudy.errors import MissingExtraError, RecipeError
from understudy.runtime.fast import extension
from understudy.runtime.fast_format import LANES, Weights
from understudy.tokenization.batching import shuffled

FIRST_SQUARE = 1e-8
"""What each accumulated square begins with: a weight's first step is as long as the learning rate."""

LOSSES = ("mse", "kl", "hard", "gold")

AfterEpoch = Callable[[int, float, Weights], bool]
"""Number of the epoch (from 1), mean loss, weights → whether to continue."""

Arrays = list[FloatArray]


@dataclass(frozen=True)
class State:
    """The state of a training after an epoch, from which another process can continue.

    Attributes:
        epoch: That was done last, from 1.
        layers: The weights as the extension holds them.
        squares: Adagrad's sums of squares, of the same shapes.
    """

    epoch: int
    layers: Arrays
    squares: Arrays


@dataclass(frozen=True)
class TextIds:
    """Texts as ids.

    Attributes:
        ids: Ids of all texts end to end, ``(sum of lengths,)`` int32.
        ends: Where each text ends in ``ids``, ``(n,)`` int64.
        words: How many of a text's ids, from its first on, are words, the rest being n-grams ``(n,)``;
            ``None`` where all are.
    """

    ids: np.ndarray[Any, np.dtype[np.int32]]
    ends: IntArray
    words: IntArray | None = None

    def __len__(self) -> int:
        return len(self.ends)

    def with_grams(self, buckets: IntArray, vocabulary_size: int) -> TextIds:
        """The same texts, each followed by its n-grams, which are counted on from the vocabulary's end.

        Args:
            buckets: ``(sum of lengths, orders)`` of the n-grams that begin at each word; 0 is none.
            vocabulary_size: Words in the vocabulary.
        """
        lengths = np.diff(self.ends, prepend=0)
        text_of = np.repeat(np.arange(len(self)), lengths)
        is_there = buckets.ravel() > 0
        gram_text_of = np.repeat(text_of, buckets.shape[1])[is_there]
        grams = (buckets.ravel()[is_there] + vocabulary_size).astype(np.int32)
        order = np.argsort(np.concatenate([text_of, gram_text_of]), kind="stable")
        ends = self.ends + np.cumsum(np.bincount(gram_text_of, minlength=len(self)))
        return TextIds(np.concatenate([self.ids, grams])[order], ends, lengths)


@dataclass(frozen=True)
class Targets:
    """What is learnt, and by which loss; the losses are those of `losses.py`.

    Attributes:
        loss: ``mse``, ``kl``, ``hard`` or ``gold``.
        soft: The teacher's logits ``(n, c)``; needed by every loss but ``gold``.
        gold: Columns of the gold labels ``(n,)``, -1 where a text has none; ``None`` for soft targets alone.
        alpha: Share of the gold loss on texts that have a label, beside a soft loss.
        temperature: Temperature of ``kl``.
        class_weights: ``(c,)``, a factor per label of the gold loss.
    """

    loss: str
    soft: FloatArray | None = None
    gold: IntArray | None = None
    alpha: float = 0.0
    temperature: float = 1.0
    class_weights: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise RecipeError(f"The native trainer knows the losses {LOSSES}, but not {self.loss!r}.")
        missing = "gold labels" if self.loss == "gold" else "soft targets"
        if (self.gold if self.loss == "gold" else self.soft) is None:
            raise RecipeError(f"The loss {self.loss!r} needs {missing}, but there are none.")


def is_available() -> bool:
    """Whether the C extension was built."""
    try:
        extension()
    except ImportError:
        return False
    return True


def train(
    first: Weights,
    texts: TextIds,
    targets: Targets,
    *,
    epochs: int,
    learning_rate: float,
    seed: int,
    after_epoch: AfterEpoch | None = None,
    state: State | None = None,
    keep: Callable[[State], None] | None = None,
    level: int = 2,
) -> Weights:
    """Train weights of `cbow` or `dan`, text by text, in an order that is shuffled again each epoch.

    The learning rate falls linearly to a tenth of itself, epoch by epoch.

    Args:
        first: Weights to begin with; they are not changed.
        texts: Ids of the texts; for weights of n-grams, those of `TextIds.with_grams`.
        targets: Targets of the same texts.
        epochs: Passes, at most.
        learning_rate: Adagrad's; 0.05 to 0.1 is usual.
        seed: Seed of the shuffling.
        after_epoch: Called after each epoch; training stops where it says ``False``.
        state: To continue from, instead of ``first``; its arrays are changed.
        keep: Given the state after each epoch, unless that ended it; it must copy what it wants to have.
        level: Highest instruction set that may be used: 0 any processor's, 1 AVX2, 2 AVX-512.

    Raises:
        RecipeError: Sizes do not fit, or an id or label is out of range.
        MissingExtraError: The C extension was not built.
    """
    if (first.grams is None) != (texts.words is None):
        raise RecipeError("Texts with n-grams need weights of n-grams, and such weights need such texts.")
    begin = _padded(first)
    state = state or State(0, begin, [np.full_like(layer, FIRST_SQUARE) for layer in begin])
    layers, squares = state.layers, state.squares
    lesson = (texts.ids, texts.ends)
    taught = (*_prepared(targets), texts.words)
    generator = np.random.default_rng(seed)
    sizes = (len(layers[0]), first.embedding.shape[1], *first.output.T.shape)
    temperature = targets.temperature if targets.loss == "kl" else 1.0

    numbers = (targets.loss == "mse", temperature, targets.alpha, first.gram_weight)
    for epoch in range(1, epochs + 1):
        rate = learning_rate * (1 - 0.9 * (epoch - 1) / max(1, epochs - 1))
        order = shuffled(len(texts), generator)  # also of epochs that are done: the next draws follow them
        if epoch <= state.epoch:
            continue
        try:
            total = extension().learn(
                (*layers, *squares, *lesson, order, *taught), sizes, *numbers, rate, level
            )
        except ImportError as error:
            raise MissingExtraError(
                "The native trainer needs the C extension, which was not built."
            ) from error
        except ValueError as error:
            raise RecipeError(f"The native trainer cannot use what it was given: {error}") from error
        if after_epoch is not None and not after_epoch(
            epoch, total / max(1, len(texts)), _cut(layers, first)
        ):
            break
        if keep is not None:
            keep(State(epoch, layers, squares))
    return _cut(layers, first)


def _prepared(targets: Targets) -> tuple[Any, Any, Any]:
    """Soft targets as the extension reads them (logits, or probabilities), gold labels, weights of labels."""
    soft, gold = targets.soft, targets.gold
    if targets.loss == "gold":
        soft = None
    elif targets.alpha == 0.0:
        gold = None
    if soft is not None and targets.loss == "hard":
        soft = np.eye(soft.shape[1], dtype=np.float32)[soft.argmax(axis=1)]
    elif soft is not None and targets.loss == "kl":
        shifted = (soft - soft.max(axis=1, keepdims=True)) / targets.temperature
        soft = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    kinds = (np.float32, np.int64, np.float32)
    parts = zip((soft, gold, targets.class_weights), kinds, strict=True)
    made = [None if part is None else np.ascontiguousarray(part, dtype=kind) for part, kind in parts]
    return made[0], made[1], made[2]


def _padded(weights: Weights) -> list[FloatArray]:
    """New arrays for the extension: rows padded, the hidden layer (in, out), the output layer (out, in)."""
    hidden, output = (
        (weights.hidden.T, weights.hidden_bias[None]),
        (weights.output, weights.output_bias[None]),
    )
    rows = weights.embedding
    if weights.grams is not None:
        rows = np.concatenate([rows, weights.grams])
    return [widened(layer) for layer in (rows, *hidden, *output)]


def widened(rows: FloatArray) -> FloatArray:
    """Rows with zeros behind them, to a multiple of `LANES`."""
    wide = np.zeros((len(rows), -(-rows.shape[1] // LANES) * LANES), dtype=np.float32)
    wide[:, : rows.shape[1]] = rows
    return wide


def _cut(layers: Sequence[FloatArray], like: Weights) -> Weights:
    """The weights without padding, as copies."""
    (words, width), (labels, hidden) = like.embedding.shape, like.output.shape
    rows, w1, b1, w2, b2 = layers
    return replace(
        like,
        embedding=rows[:words, :width].copy(),
        hidden=w1[:, :hidden].T.copy(),
        hidden_bias=b1[0, :hidden].copy(),
        output=w2[:, :hidden].copy(),
        output_bias=b2[0, :labels].copy(),
        grams=None if like.grams is None else rows[words:, :width].copy(),
    )
