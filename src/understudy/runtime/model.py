"""An exported student that answers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np

from understudy.core.manifest import digest, read_manifest, verify
from understudy.core.task import FloatArray, IntArray, Item, Task
from understudy.errors import ArtifactError, RecipeError
from understudy.runtime.artifact import is_spelled, open_folder, read_spelling, read_vocabulary
from understudy.runtime.config_file import Config
from understudy.runtime.fast import FastStudent
from understudy.runtime.fast_tagger import FastTagger
from understudy.runtime.given import as_sequence, as_texts
from understudy.runtime.layout import Layout
from understudy.runtime.onnx_predictor import Reference
from understudy.runtime.onnx_session import open_session
from understudy.runtime.tagging import tag
from understudy.runtime.threads import usable_threads
from understudy.tokenization.encoding import APART, check_items
from understudy.tokenization.ngrams import Vocabulary
from understudy.tokenization.words import tokens

MOST_SHOWN = 8
"""Labels that the short form of a model names, at most."""


@dataclass(frozen=True, eq=False)  # two models are equal where they are one, so that a model can be hashed
class Model:
    """An exported student: `load` makes one. It may be shared between threads.

    What it is asked depends on its task: a text; ``(text, text)``, a tuple, where two belong together; or, to
    tag words, a sentence, or a tuple of its words. Many of such are given as a list, a tuple, an array, a
    column of a table, or a generator, and answered as a list. Strings in an Arrow array (whatever
    has ``__arrow_c_array__`` or ``__arrow_c_stream__``) are read in place where C answers.

    A model that is pickled is its folder's absolute path: the folder must be there where it is unpickled, and
    is opened and checked anew. So a model can be sent to other processes.

    Attributes:
        task: Task with label names in the order of the logits.
        config: What ``config.json`` says.
        layout: Files of its folder.
        threads: Threads that one call may use.
        fast: The fast path, where it serves this student; else the vocabulary and ONNX Runtime answer.
    """

    task: Task
    config: Config
    layout: Layout
    threads: int = 1
    fast: FastStudent | FastTagger | None = None

    def __repr__(self) -> str:
        """The folder, the kind of task and its labels: the whole config would fill a screen."""
        labels = ", ".join(self.task.labels[:MOST_SHOWN])
        labels += ", …" if len(self.task.labels) > MOST_SHOWN else ""
        return f"Model({str(self.layout.folder)!r}, {self.task.kind}: {labels})"

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Text → ids. Read when it is first used, and checked then."""
        return read_vocabulary(self.layout)

    @cached_property
    def reference(self) -> Reference:
        """The reference path. Its files are read when it is first used, and checked then.

        Raises:
            ArtifactError: a file is altered, or ``config.json`` does not describe the graph.
        """
        verify(self.layout.folder, read=(self.layout.onnx.name,))
        session = open_session(self.layout.onnx, self.threads)
        spelling = read_spelling(self.layout, self.config)
        reference = Reference(self.task, self.input_mode, self.vocabulary, session, spelling)
        if fault := reference.faults():
            raise ArtifactError(
                f"{self.layout.config} does not describe {self.layout.onnx.name}: {fault}. Restore both, or "
                "write the folder again."
            )
        return reference

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the answers may change."""
        files = (read_manifest(self.layout.folder) or {})["files"]
        layout = self.layout
        decisive = [layout.config, layout.tokenizer, layout.onnx]
        decisive += [layout.spelling] if is_spelled(self.config) else []
        decisive += [each for each in (layout.ngrams, layout.characters) if each.name in files]
        return digest([files[path.name]["sha256"] for path in decisive])

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return int(self.config["parameters"])

    @property
    def input_mode(self) -> str:
        """How it reads a text: one of `understudy.tokenization.encoding.INPUTS`."""
        return str(self.config["student"]["form"])

    def logits(self, items: object) -> FloatArray:
        """Logits ``(rows, c)`` float32: a row for each text or pair, or for each word of the sentences.

        Raises:
            DataError: an item is not of the task's kind, by its number; or the argument holds no items.
        """
        return self._logits(self._many(items))

    def label_ids(self, items: object) -> IntArray:
        """The column of each row's label in ``task.labels``: ``(rows,)`` int64.

        The quickest way to answer many texts: no name is looked up, and no probability is computed.

        Raises:
            DataError: as for `logits`.
            RecipeError: the labels of the task do not exclude each other.
        """
        if not self.task.is_exclusive:
            raise RecipeError(
                f"A {self.task.kind} task does not have one label a row. Ask for logits or predict."
            )
        return self._columns(self._many(items))

    def predict_proba(self, items: object) -> Any:
        """Probabilities in the order of ``task.labels``: ``(n, c)``, or ``(c,)`` for one item given alone.

        Words have a row each: ``(words, c)`` for one sentence, a list of such for several.

        Raises:
            DataError: as for `logits`.
            RecipeError: the task is a regression with a direct value.
        """
        is_one, many = self._is_one(items), self._many(items)
        shares = self.task.probabilities(self._logits(many))
        if self.task.kind != "tagging":
            return shares[0] if is_one else shares

        ends = np.cumsum(self.task.rows(many)).tolist()
        sentences = [shares[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        return sentences[0] if is_one else sentences

    def predict(self, items: object) -> Any:
        """The answer to one item, or the list of answers to many.

        A label name; a tuple of those that hold (multilabel); a number (regression); or a `Tagged` sentence.

        Raises:
            DataError: as for `logits`.
        """
        fast = self.fast
        if isinstance(fast, FastStudent) and self.task.kind == "classification":  # first: a fourth of a µs
            return fast.label(items) if isinstance(items, str) else self._fast_labels(fast, items)

        is_one = self._is_one(items)
        given = self._given(items)
        many = self._as_asked(given)
        if self.task.kind == "tagging":
            tagged = tag(given, many, self.task, self._columns(many))
            return tagged[0] if is_one else tagged
        answers = self.task.answers(self._logits(many))
        return answers[0] if is_one else answers

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (os.path.abspath(self.layout.folder), self.threads, self.fast is not None)  # noqa: PTH100

    def __copy__(self) -> Model:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Model:
        return self  # nothing in it changes

    def _fast_labels(self, fast: FastStudent, items: object) -> list[str]:
        texts = as_texts(items)
        try:
            return fast.predict(cast("Sequence[str]", texts))
        except TypeError:  # C says that a text is none; which one, is looked for only now
            check_items(self.task, texts)
            raise

    def _logits(self, many: Sequence[Item]) -> FloatArray:
        if self.fast is None:
            return self.reference.logits(many)
        try:
            if isinstance(self.fast, FastTagger):
                return self.fast.logits(many, lambda: self.reference)
            return self.fast.logits(cast("Sequence[str]", many))  # C serves tasks of one text
        except TypeError:
            check_items(self.task, many)
            raise

    def _columns(self, many: Sequence[Item]) -> IntArray:
        """The column of each row's highest logit."""
        if self.fast is None:
            return np.asarray(self._logits(many).argmax(axis=-1), dtype=np.int64)
        try:
            if isinstance(self.fast, FastTagger):
                return self.fast.label_ids(many, lambda: self.reference)
            return self.fast.label_ids(cast("Sequence[str]", many))
        except TypeError:
            check_items(self.task, many)
            raise

    def _is_one(self, items: object) -> TypeGuard[Item]:
        """Whether one item was given: a text; or a tuple of texts, where the task's items are such."""
        if not isinstance(items, tuple) or (self.task.kind != "tagging" and self.task.texts == 1):
            return isinstance(items, str)
        return len(items) > 0 and all(isinstance(part, str) for part in items)

    def _many(self, items: object) -> Sequence[Item]:
        """Items as the task has them; one item given alone is a list of one."""
        return self._as_asked(self._given(items))

    def _given(self, items: object) -> Sequence[Item]:
        """Items as they were given; one item given alone is a list of one."""
        if self._is_one(items):
            return [items]
        return as_texts(items) if isinstance(self.fast, FastStudent) else as_sequence(items)

    def _as_asked(self, items: Sequence[Item]) -> Sequence[Item]:
        """Items in the form of the task; a sentence given as a text is split into words."""
        if self.task.kind != "tagging" and self.task.texts == 1:
            return items
        if self.task.kind == "tagging":
            items = [
                tuple(word for word, _, _ in tokens(item)) if isinstance(item, str) else item
                for item in items
            ]
        return [_as_tuple(item) for item in items]


def _as_tuple(item: Item) -> Item:
    """Several texts as a tuple; a text as it is, and what is neither: `check_items` says where it stands."""
    return item if isinstance(item, str | bytes) or not isinstance(item, Iterable) else tuple(item)


def load(folder: str | os.PathLike[str], *, threads: int = 1) -> Model:
    """Load an exported student.

    Args:
        folder: Folder that `understudy export` or `understudy distill` wrote.
        threads: Threads that one call may use, at most the cores of the machine. One is best for one text at
            a time.

    Raises:
        ArtifactError: a file is missing, truncated or altered (by name), or of a later version.
        RecipeError: ``threads`` is not a whole number from 1 on.
    """
    if not isinstance(folder, str | os.PathLike):
        raise ArtifactError(f"load needs the folder of an exported student, but was given {folder!r:.60}.")
    threads = usable_threads(threads)
    opened = open_folder(Path(folder), threads)
    task, fast = _task(opened.layout, opened.config), opened.fast
    fast = fast.in_order(task) if isinstance(fast, FastTagger) else fast
    model = Model(task, opened.config, opened.layout, threads, fast)
    if model.fast is None:
        _ = model.reference  # where anything is wrong with it, it is said now
    return model


def _task(layout: Layout, config: Config) -> Task:
    """The task that a config names, which must fit the way in which its student reads."""
    try:
        task = Task.from_dict(config["task"])
    except (RecipeError, KeyError, TypeError) as error:
        raise ArtifactError(f"{layout.config} is damaged, or of another version: task: {error}.") from error

    mode = config["student"]["form"]
    fits = (mode == "tokens") == (task.kind == "tagging") and (mode not in APART or task.texts == 2)
    if not fits:
        raise ArtifactError(
            f"{layout.config} is damaged, or of another version: student.form is {mode!r}, which does not "
            f"fit a {task.kind} task. Restore it, or write the folder again."
        )
    return task


def _reopen(folder: str, threads: int, is_fast: bool) -> Model:
    """A model that was pickled, on this machine; by the reference path where it answered by that."""
    model = load(folder, threads=threads)
    if is_fast or model.fast is None:
        return model
    return Model(model.task, model.config, model.layout, model.threads)
