"""The reference path: a vocabulary and an ONNX graph. It serves every student on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from understudy.core.task import FloatArray, IntArray, Item, Task
from understudy.runtime.onnx_session import batches
from understudy.tokenization.encoding import INPUTS, encode
from understudy.tokenization.wordpiece import Vocabulary


@dataclass(frozen=True)
class Reference:
    """A Predictor of a vocabulary and a graph. It may be shared between threads.

    Attributes:
        task: label names in the order of the logits.
        form: how the graph reads: one of `understudy.tokenization.encoding.INPUTS`.
        vocabulary: text → ids.
        session: of ONNX Runtime; `understudy.runtime.onnx_session.open_session` makes one.
    """

    task: Task
    form: str
    vocabulary: Vocabulary
    session: Any

    def logits(self, items: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, c)`` float32 of items in the form of the task."""
        if len(items) == 1 and self.task.kind != "tagging":
            return self._run(self._feeds_of_one(items[0]))
        encoded = encode(self.task, self.form, self.vocabulary, items)
        answers = np.zeros((int(encoded.counts.sum()), len(self.task.labels)), dtype=np.float32)
        for units in batches(encoded.lengths):
            found = self._run(encoded.feeds(self.form, units))
            answers[encoded.rows(units)] = found if encoded.places is None else found[encoded.answered(units)]
        return answers

    def _feeds_of_one(self, item: Item) -> dict[str, IntArray]:
        """The graph's inputs for one text or pair, without what only several need."""
        if isinstance(item, str) and self.task.texts == 1:
            sides = [self.vocabulary.encode(item)]
        else:
            found = encode(self.task, self.form, self.vocabulary, [item])
            sides = [side.ids.tolist() for side in found.sides]
        arrays = (np.array(value) for ids in sides for value in ([ids], [len(ids)]))
        return dict(zip((name for pair in INPUTS[self.form] for name in pair), arrays, strict=True))

    def _run(self, feeds: dict[str, IntArray]) -> FloatArray:
        logits: FloatArray = self.session.run(["logits"], feeds)[0]
        return logits
