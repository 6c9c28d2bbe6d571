"""The transfer set: the texts a student learns from, with soft targets, gold labels, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.errors import DataError
from understudy.logits import LogitStore
from understudy.task import FloatArray, Gold, Item, Task


@dataclass(frozen=True)
class TransferSet:
    """Texts (or other items of the task) with their targets.

    Attributes:
        texts: ``n`` items.
        gold: gold labels of their rows, as `understudy.task.Gold` says; those without one say so.
        soft: ``(rows, c)`` float32 logits of the teacher; ``None`` for a student that has no teacher.
    """

    texts: tuple[Item, ...]
    gold: Gold
    soft: FloatArray | None = None

    def __post_init__(self) -> None:
        if not self.texts:
            raise DataError("The transfer set is empty: there is no text to learn from.")
        if self.soft is not None and len(self.soft) != len(self.gold):
            raise DataError(
                f"The transfer set has {len(self.gold):,} gold labels, but {len(self.soft):,} soft targets."
            )

    def __len__(self) -> int:
        return len(self.texts)


def labelled_only(task: Task, texts: Sequence[Item], labels: Gold) -> TransferSet:
    """The labelled texts with their gold labels alone."""
    _check_gold(task, texts, labels)
    return TransferSet(tuple(texts), np.asarray(labels))


def with_soft_targets(
    task: Task, texts: Sequence[Item], labels: Gold, further: Sequence[Item], store: LogitStore
) -> TransferSet:
    """Labelled and further texts, each with the logits that the store has of it.

    Args:
        task: says what the lack of a gold label looks like.
        texts: labelled texts; one that stands there twice stays twice, with both its labels.
        labels: their gold labels.
        further: texts without labels, such as unlabelled or augmented ones.
        store: soft targets of all of them.
    """
    _check_gold(task, texts, labels)
    every = (*texts, *further)
    gold = np.concatenate([labels, task.no_gold(int(task.rows(further).sum()))])
    return TransferSet(every, gold, store.look_up(every))


def _check_gold(task: Task, texts: Sequence[Item], labels: Gold) -> None:
    rows = int(task.rows(texts).sum())
    if len(labels) != rows:
        raise DataError(
            f"The {len(texts):,} texts have {rows:,} rows to answer, but {len(labels):,} gold labels."
        )
