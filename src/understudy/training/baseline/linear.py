"""The baseline's linear models, fitted by scikit-learn with one regularisation strength after another."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.core.task import Gold, Task
from understudy.errors import DataError

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Inverse regularisation strengths ``C`` to choose from on dev; the first of equals wins."""

PAIR_STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""The same for two texts, whose seven numbers of likeness say more than their many terms."""

TAGGING_STRENGTHS = (0.3, 1.0, 3.0)
"""The same for tagging, which has many rows, and where the choice matters little."""

PASSES = {"tagging": 10, "regression": 30}
"""Passes over all rows with each strength, for tags and bins; each begins where the one before ended."""

MANY_LABELS_PASSES = 10
"""Passes over all rows with each strength, where L-BFGS would need too much memory."""

MOST_NUMBERS = 500_000_000
"""Numbers of 8 bytes that a solver may hold: 4 GB.

L-BFGS needs `LBFGS_NUMBERS` for each weight: ten pairs of vectors, and five more. SAGA needs
`SAGA_NUMBERS` for each weight, and two for each row and label. With more than a bound of both, there is no
baseline: 500 labels with 50,000 traits are fitted by SAGA, 20,000 labels with as many are not fitted.
"""

LBFGS_NUMBERS, SAGA_NUMBERS = 25, 4

NEVER = -1e4
"""Logit of a label that no training row has: its probability is 0 beside any other."""


class BaselineTooLargeError(DataError):
    """The linear baseline would need more memory than it may have."""


class Linear(NamedTuple):
    """The model ``features @ weight + bias``.

    Attributes:
        weight: ``(width, labels)``.
        bias: ``(labels,)``.
        strength: The inverse regularisation strength ``C`` it was fitted with.
    """

    weight: npt.NDArray[Any]
    bias: npt.NDArray[Any]
    strength: float


def fit_each(task: Task, features: Any, gold: Gold, *, seed: int) -> Iterator[Linear]:
    """Fit the model of the task's kind, once for each strength.

    Logistic regression, in multilabel of each label by itself; ridge with ``alpha = 1 / C`` in a regression
    with one column. Tags and bins are many; their logistic regression is fitted by SAGA (Defazio et al.
    2014), stopped after `PASSES`.

    Args:
        task: Says how gold becomes targets.
        features: Sparse ``(rows, width)``.
        gold: Gold labels of all rows, none missing.
        seed: Seed of the solver.

    Raises:
        DataError: All rows have the same label.
        BaselineTooLargeError: Every solver would need more than `MOST_NUMBERS`.
    """
    targets = task.targets(gold)
    strengths: tuple[float, ...] = PAIR_STRENGTHS if task.texts == 2 else STRENGTHS
    if task.kind == "multilabel":
        return _one_by_one(features, targets > 0, strengths, seed)
    if task.kind == "regression" and not task.is_binned:
        return _ridge(features, targets, strengths, seed)
    if task.kind == "tagging":
        strengths = TAGGING_STRENGTHS
    solver, passes = _solver(task, *features.shape)
    settings: dict[str, Any] = {"solver": solver, "max_iter": passes, "random_state": seed}
    return _softmax(features, targets, strengths, task, settings)


def _solver(task: Task, rows: int, width: int) -> tuple[str, int]:
    """The solver of exclusive labels, and its iterations at most."""
    weights = width * len(task.labels)
    if task.kind in PASSES:
        return "saga", PASSES[task.kind]
    if LBFGS_NUMBERS * weights <= MOST_NUMBERS:
        return "lbfgs", 1000
    if SAGA_NUMBERS * weights + 2 * rows * len(task.labels) <= MOST_NUMBERS:
        return "saga", MANY_LABELS_PASSES
    raise BaselineTooLargeError(
        f"A linear baseline of {len(task.labels):,} labels and {width:,} features on {rows:,} texts needs "
        f"more than {8 * MOST_NUMBERS / 1e9:.0f} GB, so there is none. Write baseline: false to leave it out."
    )


def _ridge(features: Any, targets: Gold, strengths: tuple[float, ...], seed: int) -> Iterator[Linear]:
    from sklearn.linear_model import Ridge

    for strength in strengths:
        model = Ridge(alpha=1 / strength, solver="sparse_cg", random_state=seed).fit(features, targets)
        yield Linear(model.coef_[:, None], np.array([model.intercept_]), strength)


def _one_by_one(features: Any, held: Gold, strengths: tuple[float, ...], seed: int) -> Iterator[Linear]:
    """One decision a label; a label that all rows or none have gets no weight, only a bias."""
    from sklearn.linear_model import LogisticRegression

    always, never = held.all(axis=0), ~held.any(axis=0)
    for strength in strengths:
        model = LogisticRegression(C=strength, solver="liblinear", random_state=seed)
        weight = np.zeros((features.shape[1], held.shape[1]), dtype=np.float32)
        bias = np.where(always, -NEVER, NEVER)
        for label in np.flatnonzero(~always & ~never):
            model.fit(features, held[:, label])
            weight[:, label], bias[label] = model.coef_[0], model.intercept_[0]
        yield Linear(weight, bias, strength)


def _softmax(
    features: Any, targets: Gold, strengths: tuple[float, ...], task: Task, solver: dict[str, Any]
) -> Iterator[Linear]:
    """Exclusive labels.

    Of two labels scikit-learn keeps one decision ``d``; here they get the logits ``-d / 2`` and ``d / 2``.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    seen = np.unique(targets)
    if len(seen) < 2:
        raise DataError(
            f"All train {'words' if task.kind == 'tagging' else 'texts'} have the label "
            f"{task.labels[seen[0]]!r}. Give some of another label."
        )
    signs = np.array([[-0.5], [0.5]]) if len(seen) == 2 else np.ones((1, 1))
    model = LogisticRegression(warm_start=True, **solver)
    for strength in strengths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is another regularisation
            model.set_params(C=strength).fit(features, targets)
        weight = np.zeros((features.shape[1], len(task.labels)), dtype=np.float32)
        bias = np.full(len(task.labels), NEVER)
        weight[:, seen] = (signs * model.coef_).T
        bias[seen] = (signs * model.intercept_[None].T)[:, 0]
        yield Linear(weight, bias, strength)
