"""An exported student that answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.manifest import digest, read_manifest, verify
from understudy.core.task import FloatArray, Item, Task
from understudy.errors import ArtifactError
from understudy.runtime.artifact import open_folder, read_vocabulary
from understudy.runtime.fast import FastStudent
from understudy.runtime.layout import Layout
from understudy.runtime.onnx_predictor import Reference
from understudy.runtime.onnx_session import open_session
from understudy.runtime.tagging import tag
from understudy.tokenization.wordpiece import Vocabulary
from understudy.tokenization.words import tokens


@dataclass(frozen=True)
class Model:
    """An exported student: `load` makes one. It may be shared between threads.

    What it is asked depends on its task: a text; ``(text, text)``, a tuple, where two belong together; or, to
    tag words, a sentence, or a tuple of its words. A list of such is answered as a list.

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
    def reference(self) -> Reference:
        """The reference path. Its files are read when it is first used, and checked then."""
        verify(self.layout.folder, read=(self.layout.onnx.name,))
        session = open_session(self.layout.onnx, self.threads)
        return Reference(self.task, self.form, self.vocabulary, session)

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the answers may change."""
        files = (read_manifest(self.layout.folder) or {})["files"]
        decisive = (self.layout.config, self.layout.tokenizer, self.layout.onnx)
        return digest([files[path.name]["sha256"] for path in decisive])

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return int(self.config["parameters"])

    @cached_property
    def form(self) -> str:
        """How it reads: one of `understudy.tokenization.encoding.INPUTS`."""
        return str(self.config["student"]["form"])

    def logits(self, items: Any) -> FloatArray:
        """Logits ``(rows, c)`` float32: a row for each text or pair, or for each word of the sentences."""
        if self.fast is not None:
            return self.fast.logits(items)
        return self.reference.logits(self._asked(items))

    def predict_proba(self, items: Any) -> Any:
        """Probabilities in the order of ``task.labels``: ``(n, c)``, or ``(c,)`` for one item given alone.

        Words have a row each: ``(words, c)`` for one sentence, a list of such for several.

        Raises:
            RecipeError: the task is a regression with a direct value.
        """
        asked = self._asked(items)
        found = self.task.probabilities(self.logits(asked))
        if self.task.kind == "tagging":
            rows = np.split(found, np.cumsum(self.task.rows(asked))[:-1])
            return rows[0] if self._is_one(items) else rows
        return found[0] if self._is_one(items) else found

    def predict(self, items: Any) -> Any:
        """The answer to one item, or the list of answers to many.

        A label name; a tuple of those that hold (multilabel); a number (regression); or a `Tagged` sentence.
        """
        fast = self.fast
        if fast is not None and self.task.kind == "classification":
            return fast.label(items) if isinstance(items, str) else fast.predict(items)
        if self.task.kind == "tagging":
            sentences = [items] if self._is_one(items) else list(items)
            asked = self._asked(items)  # split once: the logits are asked for its words
            tagged = tag(sentences, asked, self.task, self.logits(asked))
            return tagged[0] if self._is_one(items) else tagged
        answers = self.task.answers(self.logits(items))
        return answers[0] if self._is_one(items) else answers

    def _is_one(self, items: Any) -> bool:
        """Whether one item was given: a text; or a tuple of texts, where the task's items are such."""
        if not isinstance(items, tuple) or (self.task.kind != "tagging" and self.task.texts == 1):
            return isinstance(items, str)
        return all(isinstance(part, str) for part in items)

    def _asked(self, items: Any) -> list[Item]:
        """Items in the form of the task; a sentence given as a text is split into words."""
        many = [items] if self._is_one(items) else list(items)
        if self.task.kind == "tagging":
            many = [
                tuple(word for word, _, _ in tokens(item)) if isinstance(item, str) else item for item in many
            ]
        return [_as_asked(item) for item in many]


def _as_asked(item: Any) -> Any:
    """Several texts as a tuple; a text as it is, and what is neither: `encode` says where it stands."""
    return item if isinstance(item, str | bytes) or not isinstance(item, Iterable) else tuple(item)


def load(folder: str | Path, *, threads: int = 1) -> Model:
    """Load an exported student.

    Args:
        folder: as `understudy export` or `understudy distill` wrote it.
        threads: that one call may use. One is best for one text at a time.

    Raises:
        ArtifactError: a file is missing, truncated or altered (by name), or of a later version.
    """
    opened = open_folder(Path(folder), threads)
    try:
        task = Task.from_dict(opened.config["task"])
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{opened.layout.config} is damaged, or of another version: {error}.") from error
    model = Model(task, opened.config, opened.layout, threads, opened.fast)
    if model.fast is None:
        _ = model.reference  # where anything is wrong with it, it is said now
    return model
