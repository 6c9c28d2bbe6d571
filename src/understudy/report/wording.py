"""The words for what a kind of task asks and answers, and the parts of a report that it can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.core.task import Task
from understudy.evaluation.metrics import classes
from understudy.report.numbers import whole
from understudy.report.record import ReportRow

_NAMES = {"pair": "classification of pairs", "multilabel": "multilabel classification"}


@dataclass(frozen=True)
class Wording:
    """Nouns and sentences of one task.

    Attributes:
        item: What is asked about: ``text``, ``pair`` or ``sentence``.
        row: What is answered: the item, or ``word``.
        label: What F1 is counted by: ``label``, ``tag`` or ``kind of span``.
        gist: The task in a few words: ``tagging with 4 kinds of span``.
        agreement: What agreement of two models means.
        balance: What the counts of the label balance count.
        has_labels: Whether there is an F1 by label.
        has_confusion: Whether each row has exactly one label, so that one can be taken for another.
        has_confidence: Whether answers come with a probability.
    """

    item: str
    row: str
    label: str
    gist: str
    agreement: str
    balance: str
    has_labels: bool
    has_confusion: bool
    has_confidence: bool

    @property
    def items(self) -> str:
        """The plural of `item`."""
        return f"{self.item}s"

    @property
    def rows(self) -> str:
        """The plural of `row`."""
        return f"{self.row}s"

    @property
    def labels(self) -> str:
        """The plural of `label`."""
        return "kinds of span" if self.label == "kind of span" else f"{self.label}s"


def wording(task: Task) -> Wording:
    """The words for a task."""
    item = "sentence" if task.kind == "tagging" else "pair" if task.texts == 2 else "text"
    row = "word" if task.kind == "tagging" else item
    label = "kind of span" if task.has_spans else "tag" if task.kind == "tagging" else "label"
    plain = task.kind == "regression"
    counted = "range of values" if plain else "tag" if row == "word" else "label"

    return Wording(
        item=item,
        row=row,
        label=label,
        gist=_gist(task, "kinds of span" if task.has_spans else f"{label}s"),
        agreement=_agreement(task, row),
        balance=f"{row.capitalize()}s by {counted}",
        has_labels=not plain,
        has_confusion=task.is_exclusive,
        has_confidence=task.is_binned or not plain,
    )


def labels_of(rows: Sequence[ReportRow]) -> list[str]:
    """The labels, or kinds of span, by which the rows have an F1, in the order of the first row that has."""
    return list(dict.fromkeys(label for row in rows for label in row.per_label_f1 or {}))


def _gist(task: Task, labels: str) -> str:
    if task.bounds is not None:
        low, high = task.bounds
        return f"regression from {low:g} to {high:g}"
    if task.is_binned:
        low, high = task.centres.min(), task.centres.max()
        return f"regression from {low:g} to {high:g} in {len(task.labels)} bins"
    kind = _NAMES.get(task.kind, task.kind)
    return f"{kind} with {whole(len(classes(task)))} {labels}"


def _agreement(task: Task, row: str) -> str:
    if task.kind == "regression":
        return "the Pearson correlation of the model's values with the teacher's, right or wrong."
    how = "give the same set of labels" if task.kind == "multilabel" else "answer alike"
    return f"the share of test {row}s on which the model and the teacher {how}, right or wrong."
