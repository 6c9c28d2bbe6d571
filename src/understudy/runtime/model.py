"""An exported student that answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from understudy.batching import budgeted_batches
from understudy.folders import verify
from understudy.layout import Layout
from understudy.runtime.fast import FastStudent
from understudy.runtime.opening import open_folder, read_vocabulary
from understudy.subwords import Vocabulary
from understudy.task import FloatArray, IntArray, Task
from understudy.words import PAD_ID

TOKEN_BUDGET = 8192
"""Padded tokens a batch, at most; texts of similar length share one."""


@dataclass(frozen=True)
class Model:
    """An exported student: `load` makes one. It may be shared between threads.

    Attributes:
        task: label names in the order of the logits.
        config: what ``config.json`` says.
        layout: the files of its folder.
        threads: that one call may use.
        fast: the fast path, where it serves this student; else the vocabulary and ONNX Runtime answer.
    """

    task: Task
    config: dict[str, Any]
    layout: Layout
    threads: int = 1
    fast: FastStudent | None = None

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Text → ids. Read when it is first used, and checked then."""
        return read_vocabulary(self.layout)

    @cached_property
    def session(self) -> Any:
        """The ONNX Runtime session. Read when it is first used, and checked then."""
        verify(self.layout.folder, read=(self.layout.onnx.name,))
        return _session(self.layout.onnx, self.threads)

    def logits(self, texts: str | Sequence[str]) -> FloatArray:
        """Logits ``(n, c)`` float32; one text alone is a batch of one."""
        if self.fast is not None:
            return self.fast.logits(texts)
        if isinstance(texts, str) or len(texts) == 1:
            ids = self.vocabulary.encode(texts if isinstance(texts, str) else texts[0])
            return self._run(np.array([ids]), np.array([len(ids)]))
        flat, lengths = self.vocabulary.encode_batch(texts)
        starts = np.cumsum(lengths) - lengths
        answers = np.zeros((len(texts), len(self.task.labels)), dtype=np.float32)
        for rows in budgeted_batches(lengths, TOKEN_BUDGET):
            longest = int(lengths[rows[-1]])
            inside = np.arange(longest) < lengths[rows, None]
            ids_block = np.full((len(rows), longest), PAD_ID, dtype=np.int64)
            ids_block[inside] = flat[(starts[rows, None] + np.arange(longest))[inside]]
            answers[rows] = self._run(ids_block, lengths[rows])
        return answers

    def predict_proba(self, texts: str | Sequence[str]) -> FloatArray:
        """Probabilities in the order of ``task.labels``: ``(n, c)``, or ``(c,)`` for one text given alone."""
        found = self.task.probabilities(self.logits(texts))
        return found[0] if isinstance(texts, str) else found

    @overload
    def predict(self, texts: str) -> str: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, texts: Sequence[str]) -> list[str]: ...
    def predict(self, texts: str | Sequence[str]) -> str | list[str]:
        """The label of one text, or the list of labels of many."""
        fast = self.fast
        if fast is not None:
            return fast.label(texts) if isinstance(texts, str) else fast.predict(texts)
        answers = self.task.answers(self.logits(texts))
        return answers[0] if isinstance(texts, str) else answers

    def _run(self, ids: IntArray, lengths: IntArray) -> FloatArray:
        logits: FloatArray = self.session.run(["logits"], {"ids": ids, "lengths": lengths})[0]
        return logits


def load(folder: str | Path, *, threads: int = 1) -> Model:
    """Load an exported student.

    Args:
        folder: as `understudy export` or `understudy distill` wrote it.
        threads: that one call may use. One is best for one text at a time.

    Raises:
        ArtifactError: a file is missing, truncated or altered (by name), or of a later version.
    """
    opened = open_folder(Path(folder), threads)
    task = Task.from_dict(opened.config["task"])
    model = Model(task, opened.config, opened.layout, threads, opened.fast)
    if model.fast is None:
        _ = model.vocabulary, model.session  # where anything is wrong with them, it is said now
    return model


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
