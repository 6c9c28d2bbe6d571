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

NEVER = -1e4
"""Logit of a label that no training row has: its probability is 0 beside any other."""


class Linear(NamedTuple):
    """The model ``features @ weight + bias``.

    Attributes:
        weight: ``(width, labels)``.
        bias: ``(labels,)``.
        strength: the inverse regularisation strength ``C`` it was fitted with.
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
        task: says how gold becomes targets.
        features: sparse ``(rows, width)``.
        gold: gold labels of all rows, none missing.
        seed: handed to the solver.

    Raises:
        DataError: all rows have the same label.
    """
    targets = task.targets(gold)
    strengths: tuple[float, ...] = PAIR_STRENGTHS if task.texts == 2 else STRENGTHS
    if task.kind == "multilabel":
        return _one_by_one(features, targets > 0, strengths, seed)
    if task.kind == "regression" and not task.is_binned:
        return _ridge(features, targets, strengths, seed)
    if task.kind == "tagging":
        strengths = TAGGING_STRENGTHS
    solver: dict[str, Any] = {"solver": "lbfgs", "max_iter": 1000}
    if task.kind in PASSES:
        solver = {"solver": "saga", "max_iter": PASSES[task.kind]}
    return _softmax(features, targets, strengths, task, {**solver, "random_state": seed})


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
