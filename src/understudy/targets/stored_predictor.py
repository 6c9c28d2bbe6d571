"""A teacher's answers that were kept, as a Predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.core.manifest import MANIFEST, read_json
from understudy.core.task import FloatArray, Item, Task
from understudy.targets.store import LogitStore


@dataclass(frozen=True)
class StoredPredictor:
    """A Predictor that repeats what a teacher once answered.

    Attributes:
        store: its answers.
        task: label names in the store's order.
    """

    store: LogitStore
    task: Task

    @classmethod
    def open(cls, folder: Path, task: Task) -> StoredPredictor:
        """The store in a folder, whosever it is.

        Raises:
            StoreError: it keeps other labels, or is damaged.
        """
        return cls(
            LogitStore(folder, teacher=read_json(folder / MANIFEST)["teacher"], labels=task.labels), task
        )

    @property
    def fingerprint(self) -> str:
        """Of the teacher."""
        return self.store.teacher

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, labels)``.

        Raises:
            StoreError: a text was never labelled.
        """
        return self.store.look_up(texts)
