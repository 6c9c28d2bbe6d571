"""A teacher's answers that were kept, as a Predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.core.task import FloatArray, Item, Task
from understudy.targets.store import LogitStore, teacher_of


@dataclass(frozen=True)
class StoredPredictor:
    """A Predictor that repeats what a teacher once answered.

    Attributes:
        store: The teacher's answers.
        task: Label names in the store's order.
    """

    store: LogitStore
    task: Task

    @classmethod
    def open(cls, folder: Path, task: Task) -> StoredPredictor:
        """The store in a folder, whichever teacher's it is.

        Raises:
            StoreError: It keeps other labels, or is damaged.
        """
        return cls(LogitStore(folder, teacher=teacher_of(folder), labels=task.labels), task)

    @property
    def fingerprint(self) -> str:
        """The teacher's."""
        return self.store.teacher

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, labels)``.

        Raises:
            StoreError: A text was never labelled.
        """
        return self.store.look_up(texts)
