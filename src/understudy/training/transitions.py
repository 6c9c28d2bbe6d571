"""Which tags follow each other: counted in the labelled sentences, weighed on dev."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from understudy.core.chain import count_transitions, in_order
from understudy.core.task import FloatArray, Gold, IntArray, Task
from understudy.evaluation.metrics import score

WEIGHTS = (0.25, 0.5, 0.75, 1.0)
"""Shares of what the counts say that are tried; none at all is the first choice."""

DECIMALS = 4
"""Decimals of a transition that are kept: it is written as text."""


def with_transitions(
    task: Task, labelled: tuple[Gold, IntArray], dev: tuple[FloatArray, Gold, IntArray]
) -> tuple[Task, dict[str, float] | None]:
    """A tagging task with the transitions that are best on dev, or as it is where none are better there.

    Args:
        task: Any task; only one of tagging, without transitions yet, is changed.
        labelled: Tags of the labelled sentences, -1 where there is none, and words of each sentence.
        dev: Logits, tags and words of each sentence of dev.

    Returns:
        The task, and the weight with the scores on dev without transitions and with them; ``None`` where
        there is nothing to count.
    """
    (tags, lengths), (logits, gold, dev_lengths) = labelled, dev
    if task.kind != "tagging" or not (np.asarray(tags) >= 0).any() or not len(logits):
        return task, None

    counted = count_transitions(np.asarray(tags), lengths, len(task.labels))
    tried = {0.0: task}
    for weight in WEIGHTS:
        rows = np.round(counted * weight, DECIMALS).tolist()
        tried[weight] = replace(task, transitions=tuple(map(tuple, rows)))
    reached = {
        weight: float(score(each, gold, each.decisions(in_order(each, logits, dev_lengths)), dev_lengths))
        for weight, each in tried.items()
    }
    best = max(reached, key=reached.__getitem__)
    return tried[best], {"weight": best, "dev_before": reached[0.0], "dev_after": reached[best]}
