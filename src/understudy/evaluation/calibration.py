"""Whether a predictor is right as often as its confidence says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray, Task
from understudy.errors import DataError, RecipeError


class Bin(NamedTuple):
    """The answers whose confidence falls between two bounds: means over these answers, and their number."""

    confidence: float
    accuracy: float
    answers: int


@dataclass(frozen=True)
class Calibration:
    """A reliability diagram and its summary.

    Attributes:
        bins: From low to high confidence; bins that hold no answer are left out.
        ece: Expected calibration error, a share: 0 is perfect.
    """

    bins: tuple[Bin, ...]
    ece: float


def calibrate(task: Task, gold: npt.ArrayLike, logits: FloatArray, bins: int = 15) -> Calibration | None:
    """Compare the confidence of a task's answers with how often they are right.

    A text, pair or word has one answer. In multilabel every label of every text is an answer, yes or no,
    whose confidence is the probability of what the thresholds decide. A binned regression answers with the
    likeliest bin. One that gives values directly states no confidence: ``None``.

    Args:
        task: Kind, labels and thresholds.
        gold: Gold labels in the form of `understudy.core.task.Gold`.
        logits: ``(rows, labels)``.
        bins: Number of bins.

    Raises:
        DataError: No rows, or shapes that do not fit.
        RecipeError: Fewer than one bin.
    """
    if task.kind == "regression" and not task.is_binned:
        return None
    probabilities = task.probabilities(logits)
    if task.kind == "multilabel":
        held = task.decisions(logits)
        confidence = np.where(held > 0, probabilities, 1 - probabilities)
        return reliability(confidence.ravel(), (held == np.asarray(gold)).ravel(), bins)
    return calibration(probabilities, task.targets(np.asarray(gold)), bins)


def calibration(probabilities: npt.NDArray[np.floating], gold: npt.ArrayLike, bins: int = 15) -> Calibration:
    """Compare confidence with accuracy in bins of equal width (Guo et al. 2017, equation 3).

    Confidence is the highest probability of a row; bin ``m`` of ``M`` holds ``((m - 1) / M, m / M]``. The
    expected calibration error is the mean of |accuracy - confidence| over bins, weighted by their answers.

    Args:
        probabilities: ``(n, labels)``, rows sum to 1.
        gold: ``(n,)`` columns of the gold labels.
        bins: Number of bins.

    Raises:
        DataError: No texts, two lengths, or a row that is not a distribution.
        RecipeError: Fewer than one bin.
    """
    gold = np.asarray(gold)
    if probabilities.ndim != 2 or gold.shape != probabilities.shape[:1] or len(gold) == 0:
        raise DataError(
            "Calibration needs probabilities (n, labels) and gold labels (n,) of at least one text, but they "
            f"have shapes {probabilities.shape} and {gold.shape}."
        )
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3) or probabilities.min() < 0:
        raise DataError(
            "Calibration needs probabilities: rows ≥ 0 that sum to 1. Apply softmax to logits first."
        )
    return reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == gold, bins)


def reliability(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], bins: int = 15
) -> Calibration:
    """The reliability diagram of answers: stated confidence ``(n,)``, and whether each is right ``(n,)``.

    Raises:
        RecipeError: Fewer than one bin.
    """
    if bins < 1:
        raise RecipeError(f"Calibration needs at least one bin, but bins is {bins}.")
    confidence = confidence.astype(np.float64)
    place = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    filled = []
    for number in range(bins):
        inside = place == number
        if inside.any():
            filled.append(
                Bin(float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum()))
            )
    error = sum(part.answers * abs(part.accuracy - part.confidence) for part in filled) / len(right)
    return Calibration(bins=tuple(filled), ece=float(error))
