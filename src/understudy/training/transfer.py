"""The transfer set: the texts a student learns from, with soft targets, gold labels, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.errors import DataError
from understudy.logits import LogitStore
from understudy.task import FloatArray, IntArray

NO_LABEL = -1
"""Stands for the gold label of a text that has none."""


@dataclass(frozen=True)
class TransferSet:
    """Texts with their targets.

    Attributes:
        texts: ``n`` texts.
        gold: ``(n,)`` int64 label columns, `NO_LABEL` where a text has none.
        soft: ``(n, c)`` float32 logits of the teacher; ``None`` for a student that has no teacher.
    """

    texts: tuple[str, ...]
    gold: IntArray
    soft: FloatArray | None = None

    def __post_init__(self) -> None:
        if not self.texts:
            raise DataError("The transfer set is empty: there is no text to learn from.")
        counts = {len(self.texts), len(self.gold), len(self.texts if self.soft is None else self.soft)}
        if len(counts) > 1:
            raise DataError(
                f"The transfer set has {len(self.texts):,} texts, but {len(self.gold):,} labels"
                + ("." if self.soft is None else f" and {len(self.soft):,} soft targets.")
            )

    def __len__(self) -> int:
        return len(self.texts)


def labelled_only(texts: Sequence[str], labels: IntArray) -> TransferSet:
    """The labelled texts with their gold labels alone."""
    return TransferSet(tuple(texts), np.asarray(labels, dtype=np.int64))


def with_soft_targets(
    texts: Sequence[str], labels: IntArray, further: Sequence[str], store: LogitStore
) -> TransferSet:
    """Labelled and further texts, each with the logits that the store has of it.

    Args:
        texts: labelled texts; one that stands there twice stays twice, with both its labels.
        labels: their columns.
        further: texts without labels, such as unlabelled or augmented ones.
        store: soft targets of all of them.
    """
    every = (*texts, *further)
    gold = np.concatenate([labels, np.full(len(further), NO_LABEL, dtype=np.int64)])
    return TransferSet(every, gold, store.look_up(every))
