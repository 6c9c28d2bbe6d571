"""The reference path: a vocabulary and an ONNX graph. It serves every student on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from understudy.core.chain import in_order
from understudy.core.task import FloatArray, IntArray, Item, Task
from understudy.runtime.onnx_session import batches
from understudy.tokenization.encoding import INPUTS, encode, inputs_of
from understudy.tokenization.ngrams import Vocabulary
from understudy.tokenization.spelling import Spelling


@dataclass(frozen=True)
class Reference:
    """A Predictor of a vocabulary and a graph. It may be shared between threads.

    Attributes:
        task: Task whose labels name the logits' columns.
        input_mode: How the graph reads a text: one of `understudy.tokenization.encoding.INPUTS`.
        vocabulary: Text → ids.
        session: Session of ONNX Runtime; `understudy.runtime.onnx_session.open_session` makes one.
        spelling: Word → how it is spelled, for a graph that reads it.
    """

    task: Task
    input_mode: str
    vocabulary: Vocabulary
    session: Any
    spelling: Spelling | None = None

    def logits(self, items: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, c)`` float32 of items of the task's kind."""
        if len(items) == 1 and self.task.kind != "tagging":
            return self._run(self._feeds_of_one(items[0]))

        encoded = encode(self.task, self.input_mode, self.vocabulary, items, self.spelling)
        answers = np.zeros((int(encoded.counts.sum()), len(self.task.labels)), dtype=np.float32)
        for units in batches(encoded.lengths):
            logits = self._run(encoded.feeds(self.input_mode, units))
            is_per_word = encoded.places is not None  # then the graph answers every id, ours are some of them
            answers[encoded.rows(units)] = logits[encoded.answered(units)] if is_per_word else logits
        return in_order(self.task, answers, encoded.counts)

    def faults(self) -> str:
        """In what the graph does not fit the task and the input mode, in words; empty where it does."""
        inputs = [each.name for each in self.session.get_inputs()]
        wanted = list(inputs_of(self.input_mode, is_spelled=self.spelling is not None))
        if inputs != wanted:
            return f"student.form {self.input_mode!r} needs a graph with {wanted}, but it reads {inputs}"

        shape = self.session.get_outputs()[0].shape
        labels, axes = len(self.task.labels), 3 if self.input_mode == "tokens" else 2
        if isinstance(shape[-1], int) and shape[-1] != labels:
            return f"task.labels has {labels} names, but the graph gives {shape[-1]} logits"
        if len(shape) != axes:
            return f"student.form is {self.input_mode!r}, but the graph's logits have {len(shape)} axes"
        return ""

    def _feeds_of_one(self, item: Item) -> dict[str, IntArray]:
        """The graph's inputs for one text or pair, without what only several need."""
        if isinstance(item, str) and self.task.texts == 1:
            sides = [self.vocabulary.encode(item)]
        else:
            encoded = encode(self.task, self.input_mode, self.vocabulary, [item])
            sides = [side.ids.tolist() for side in encoded.sides]

        arrays = (np.array(value) for ids in sides for value in ([ids], [len(ids)]))
        return dict(zip((name for pair in INPUTS[self.input_mode] for name in pair), arrays, strict=True))

    def _run(self, feeds: dict[str, IntArray]) -> FloatArray:
        logits: FloatArray = self.session.run(["logits"], feeds)[0]
        return logits
