"""Tags in their order: each word's tag given what the words before and behind it may be.

A tagger that scores every word by itself does not know that ``I-PER`` follows ``B-PER``. Counts of the
labelled sentences do: how much likelier a tag is behind another one than at all. A chain puts both together,
as a hidden Markov model does whose emissions are a classifier's (Bourlard & Morgan 1994, section 6.4), and
forward and backward sums give each word's probabilities in its sentence (Rabiner 1989, equations 19 to 27).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray, IntArray, Task

TINY = 1e-30
"""Least probability of a tag: it has a logarithm."""

LEAST = 1e-300
"""What sums are divided by at least."""

FEW = 8
"""Words after which a sentence's sums are put into scale again: they shrink by no more than float64 holds."""

UNSEEN = 0.1
"""What is added to each count of tags that follow each other."""

Doubles = npt.NDArray[np.float64]


def in_order(task: Task, logits: FloatArray, lengths: IntArray) -> FloatArray:
    """Logits of words given their sentences, where the task has transitions; else as they are.

    Args:
        task: Its ``transitions`` are added to the logarithm of a tag's probability.
        logits: ``(rows, c)``, the words of all sentences end to end, each scored by itself.
        lengths: ``(n,)``, the number of words of each sentence.

    Returns:
        Logarithms of each tag's probability in its sentence, ``(rows, c)`` float32.
    """
    if task.steps is None or not len(logits):
        return logits
    steps, first = task.steps[:-1], task.steps[-1]
    shares = _normal(np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True)))
    sums = _of_one(shares, steps, first) if len(lengths) == 1 else _of_many(shares, lengths, steps, first)
    return np.log(np.maximum(_normal(sums), TINY)).astype(np.float32)


def _of_one(shares: Doubles, steps: Doubles, first: Doubles) -> Doubles:
    """Sums over all sequences of one sentence ``(t, c)``, each row in a scale of its own."""
    last = len(shares) - 1
    before, behind = np.empty_like(shares), np.ones_like(shares)
    state = before[0] = first * shares[0]
    for place in range(1, last + 1):
        state = state.dot(steps) * shares[place]
        if place % FEW == 0:
            state /= max(state.sum(), LEAST)
        before[place] = state
    state, back = behind[last], steps.T
    for place in range(last - 1, -1, -1):
        state = (state * shares[place + 1]).dot(back)
        if place % FEW == 0:
            state /= max(state.sum(), LEAST)
        behind[place] = state
    return before * behind


def _of_many(shares: Doubles, lengths: IntArray, steps: Doubles, first: Doubles) -> Doubles:
    """The same for sentences end to end: a place after the other in all of them, the longest first."""
    starts, order = np.cumsum(lengths) - lengths, np.argsort(-lengths, kind="stable")
    sizes, longest = lengths[order], int(lengths.max(initial=0))
    before, behind = shares.copy(), np.ones_like(shares)
    begun = starts[lengths > 0]
    before[begun] = _normal(first * shares[begun])
    for place in range(1, longest):
        rows = starts[order[: np.searchsorted(-sizes, -place)]] + place
        before[rows] = _normal((before[rows - 1] @ steps) * shares[rows])
    for place in range(longest - 2, -1, -1):
        rows = starts[order[: np.searchsorted(-sizes, -(place + 1))]] + place
        behind[rows] = _normal((shares[rows + 1] * behind[rows + 1]) @ steps.T)
    return before * behind


def count_transitions(tags: IntArray, lengths: IntArray, labels: int) -> FloatArray:
    """How much likelier each tag is behind each other one than at all, ``(c + 1, c)``, as logarithms.

    Args:
        tags: ``(rows,)`` columns of all sentences end to end; -1 where there is none.
        lengths: ``(n,)``, the number of words of each sentence.
        labels: Number of tags, c.

    Returns:
        The last row is for the first word of a sentence; all are 0 where no word has a tag.
    """
    starts = (np.cumsum(lengths) - lengths)[lengths > 0]
    previous = np.concatenate([[-1], tags[:-1]]).astype(np.int64)
    previous[starts] = labels
    is_known = (tags >= 0) & (previous >= 0)
    pairs = np.bincount(previous[is_known] * labels + tags[is_known], minlength=(labels + 1) * labels)
    counts = pairs.reshape(labels + 1, labels) + UNSEEN
    behind = counts / counts.sum(axis=1, keepdims=True)
    found: FloatArray = np.log(behind / (counts.sum(axis=0) / counts.sum())).astype(np.float32)
    return found


def _normal(rows: Doubles) -> Doubles:
    """Rows that add up to 1."""
    found: Doubles = rows / np.maximum(rows.sum(axis=1, keepdims=True), LEAST)
    return found
