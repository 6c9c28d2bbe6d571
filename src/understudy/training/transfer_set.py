"""The transfer set: the texts a student learns from, with soft targets, gold labels, or both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from understudy.core.items import rows_of
from understudy.core.task import FloatArray, Gold, Item, Task
from understudy.errors import DataError
from understudy.targets.store import LogitStore
from understudy.training.torch_student import Inputs, TorchStudent


class Transfer(Protocol):
    """What a student learns from: `TransferSet`, or `understudy.training.streamed_set.StreamedSet`."""

    @property
    def texts(self) -> Iterable[Item]:
        """Its items, in order."""
        ...

    @property
    def gold(self) -> Gold:
        """Gold labels of their rows, as `understudy.core.task.Gold` says."""
        ...

    @property
    def soft(self) -> FloatArray | None:
        """``(rows, c)`` float32 logits of the teacher, if there is one."""
        ...

    def rows(self, task: Task) -> int:
        """How many rows the items have."""
        ...

    def inputs(self, student: TorchStudent) -> Inputs:
        """The items as this student reads them."""
        ...


@dataclass(frozen=True)
class TransferSet:
    """Texts (or other items of the task) with their targets.

    Attributes:
        texts: ``n`` items.
        gold: Gold labels of their rows, as `understudy.core.task.Gold` says; those without one say so.
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

    def rows(self, task: Task) -> int:
        """How many rows the items have."""
        return int(task.rows(self.texts).sum())

    def inputs(self, student: TorchStudent) -> Inputs:
        """The items as this student reads them."""
        return student.encode(self.texts)


def labelled_only(task: Task, texts: Sequence[Item], labels: Gold) -> TransferSet:
    """The labelled texts with their gold labels alone."""
    check_gold(task, texts, labels)
    return TransferSet(tuple(texts), np.asarray(labels))


def with_soft_targets(
    task: Task,
    texts: Sequence[Item],
    labels: Gold,
    further: Sequence[Item],
    store: LogitStore,
    *,
    is_partial: bool = False,
) -> TransferSet:
    """Labelled and further texts, each with the logits that the store has of it.

    Args:
        task: Says what the lack of a gold label looks like.
        texts: Labelled texts; one that stands there twice stays twice, with both its labels.
        labels: Their gold labels.
        further: Texts without labels, such as unlabelled or augmented ones.
        store: Soft targets of all of them.
        is_partial: The teacher could not be had for every text: those without soft targets are left out.

    Raises:
        StoreError: A text has no soft targets, and the set is not to be partial.
        DataError: No text has any.
    """
    check_gold(task, texts, labels)
    every = (*texts, *further)
    gold = np.concatenate([labels, task.no_gold(int(task.rows(further).sum()))])
    missing = set(store.missing(every)) if is_partial else set()
    if missing:
        kept = np.array([row for row, text in enumerate(every) if text not in missing], dtype=np.int64)
        gold = gold[rows_of(kept, task.rows(every))]
        every = tuple(every[row] for row in kept)
    return TransferSet(every, gold, store.look_up(every))


def check_gold(task: Task, texts: Sequence[Item], labels: Gold) -> None:
    """Whether there is a gold label for each row.

    Raises:
        DataError: There are more or fewer.
    """
    rows = int(task.rows(texts).sum())
    if len(labels) != rows:
        raise DataError(
            f"The {len(texts):,} texts have {rows:,} rows to answer, but {len(labels):,} gold labels."
        )
