"""Correlations of two variables, in many weighted samples at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

ROUNDING = 1e-12
"""A variance smaller than this share of the mean square is rounding: all values are equal."""


def pearson(x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.NDArray[Any]) -> Doubles:
    """Pearson correlations ``(m,)`` of two variables ``(n,)`` or ``(n, m)``; 0 where one is constant.

    Args:
        x: Values.
        y: Values.
        weights: ``(n, m)`` how often each pair stands in each of ``m`` samples.
    """
    total = weights.sum(axis=0)
    x, y = (_centred(np.asarray(values, dtype=np.float64)) for values in (x, y))
    mean_x, mean_y = _sum(x, weights) / total, _sum(y, weights) / total
    square_x, square_y = _sum(x * x, weights) / total, _sum(y * y, weights) / total
    variances = [square_x - mean_x**2, square_y - mean_y**2]
    for variance, square in zip(variances, (square_x, square_y), strict=True):
        variance[variance <= ROUNDING * square] = 0
    covariance = _sum(x * y, weights) / total - mean_x * mean_y
    return np.clip(ratio(covariance, np.sqrt(variances[0]) * np.sqrt(variances[1])), -1, 1)


def spearman(x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.NDArray[Any]) -> Doubles:
    """Spearman correlations ``(m,)``: those of the ranks within each sample, ties sharing their mean rank.

    Constant values give 0. Arguments as in `pearson`, ``x`` and ``y`` of shape ``(n,)``.
    """
    return pearson(_ranks(np.asarray(x), weights), _ranks(np.asarray(y), weights), weights)


def ratio(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> Doubles:
    """``above / below``, and 0 where ``below`` is 0."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    found: Doubles = np.divide(above, below, out=np.zeros_like(above), where=below != 0)
    return found


def _centred(values: Doubles) -> Doubles:
    """Values less their mean, which keeps products precise."""
    return np.asarray(values - values.mean(axis=0))


def _sum(values: Doubles, weights: npt.NDArray[Any]) -> Doubles:
    """Weighted sums ``(m,)`` of ``(n,)`` or ``(n, m)`` values."""
    if values.ndim == 1:
        return np.asarray(values @ weights)
    return np.asarray(np.einsum("nm,nm->m", values, weights))


def _ranks(values: npt.NDArray[Any], weights: npt.NDArray[Any]) -> Doubles:
    """Ranks ``(n, m)`` of values ``(n,)`` in samples that hold each ``weights (n, m)`` times."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    held = np.add.reduceat(weights[order].astype(np.float64), starts, axis=0)
    return np.asarray((np.cumsum(held, axis=0) - held / 2 + 0.5)[group])
