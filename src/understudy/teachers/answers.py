"""How an endpoint's answer becomes logits: by the first token's distribution, by name, or by votes."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from understudy.core.task import FloatArray, Task
from understudy.teachers.chat.parsing import MalformedError, json_objects, quoted

LEAST = math.log(1e-6)
"""Lowest log-probability kept; servers write -9999 for *very unlikely*, which would rule squared errors."""

LEAST_MASS = 0.5
"""Total probability that codes need in the first token for it to count as a distribution over labels."""

TOO_MUCH = 0.02
"""How far the probabilities of tokens, which are rounded, may add up to more than one."""

_AROUND = " \t\r\n\"'`*_.,:;!?()[]{}<>"


class _Table:
    """Columns by name, and by folded name where no two names fold to the same."""

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = {name: column for column, name in enumerate(names)}
        times = Counter(map(_folded, names))
        folded = {_folded(name): column for name, column in self._exact.items()}
        self._folded = {name: column for name, column in folded.items() if times[name] == 1}

    def column(self, name: str) -> int | None:
        found = self._exact.get(name)
        return self._folded.get(_folded(name)) if found is None else found


class Lookup:
    """Finds the column of a label by what an answer calls it.

    Args:
        labels: Label names in the order of the columns.
        codes: Their codes.
        by_code: Whether codes were asked for. Where a code is another label's name, what was asked for wins.
    """

    def __init__(self, labels: Sequence[str], codes: Sequence[str], *, by_code: bool) -> None:
        self._tables = [_Table(names) for names in ((codes, labels) if by_code else (labels, codes))]
        self._labels: dict[str, list[int]] = {}
        for column, label in sorted(enumerate(labels), key=lambda each: -len(each[1])):
            self._labels.setdefault(_folded(label), []).append(column)

    def column(self, name: object) -> int | None:
        """The column that a name or code stands for, or ``None``.

        Case, ``_`` and the form of accents count only between names that nothing else tells apart.
        """
        if not isinstance(name, str | int):
            return None
        columns = (table.column(str(name)) for table in self._tables)
        return next((column for column in columns if column is not None), None)

    def mentioned(self, text: str) -> list[int]:
        """Columns of the label names that occur in a text as whole words; of nested names the longest."""
        mentioned: list[int] = []
        rest = _folded(text)
        for label, columns in self._labels.items():
            name = re.compile(rf"(?<!\w){re.escape(label)}(?!\w)")
            if name.search(rest):
                mentioned += columns
                rest = name.sub(" ", rest)
        return mentioned


def read_columns(text: str, lookup: Lookup, *, is_many: bool) -> tuple[int, ...]:
    """The columns that an answer in words names.

    An answer is read as JSON anywhere in the text; failing that, as a bare name or code; failing that, as
    prose that mentions exactly one label.

    Raises:
        MalformedError: The message is the reason.
    """
    objects = [each for each in json_objects(text) if {"label", "labels"} & set(each)]
    if objects:
        names = objects[-1].get("labels", objects[-1].get("label"))
        return _columns(names if isinstance(names, list) else [names], lookup, text, is_many=is_many)

    if is_many:
        raise MalformedError(f"There is no JSON with labels in {quoted(text)}.")
    if (column := lookup.column(text.strip(_AROUND))) is not None:
        return (column,)

    mentioned = lookup.mentioned(text)
    if len(mentioned) != 1:
        many = "no label" if not mentioned else f"{len(mentioned)} labels"
        raise MalformedError(f"The answer names {many}: {quoted(text)}.")
    return (mentioned[0],)


def _columns(names: Sequence[object], lookup: Lookup, text: str, *, is_many: bool) -> tuple[int, ...]:
    columns = [lookup.column(name) for name in names]
    if None in columns:
        raise MalformedError(f"The answer names the unknown label {names[columns.index(None)]!r}.")
    if not is_many and len(set(columns)) != 1:
        raise MalformedError(f"The answer names {len(set(columns))} labels instead of one: {quoted(text)}.")
    return tuple(dict.fromkeys(column for column in columns if column is not None))


def soft_row(text: str, tops: Sequence[tuple[str, float]], lookup: Lookup, labels: int) -> FloatArray | None:
    """Centred log-probabilities of the labels, ``(labels,)``, from those of the first token.

    Tokens that differ only in case and space are one code: their probabilities are added. A code that is not
    listed was less likely than every listed token, and had at most its share of the probability that is left;
    it gets the smaller of both. No probability is taken to be lower than ``exp(LEAST)``.

    Args:
        text: The whole answer.
        tops: Tokens with their log-probabilities: the first token that is not blank, then its alternatives.
        lookup: Finds columns by code.
        labels: Number of labels.

    Returns:
        ``None`` where the first token is not the whole code: the answer is prose or JSON, or the code was cut
        in two. Neither is a listing whose probabilities add up to more than one a distribution.
    """
    answered = lookup.column(text.strip(_AROUND))
    if answered is None or not tops or lookup.column(tops[0][0].strip(_AROUND)) != answered:
        return None
    if sum(math.exp(min(logprob, 0.0)) for _, logprob in tops) > 1 + TOO_MUCH:
        return None

    shares = np.zeros(labels)
    for token, logprob in tops:
        column = lookup.column(token.strip(_AROUND)) if token.strip(_AROUND) else None
        if column is not None:
            shares[column] += math.exp(min(logprob, 0.0))
    if shares.sum() < LEAST_MASS:
        return None

    unseen = int((shares == 0).sum())
    if unseen:
        left = max(0.0, 1.0 - sum(math.exp(min(logprob, 0.0)) for _, logprob in tops))
        shares[shares == 0] = min(left / unseen, math.exp(min(logprob for _, logprob in tops)))
    return _logs(shares)


def hard_row(columns: Sequence[int], task: Task, smoothing: float) -> FloatArray:
    """Smoothed, centred log-probabilities of an answer by name, ``(labels,)``.

    The chosen label has ``1 - smoothing``, the others share ``smoothing`` (Szegedy et al. 2016, label
    smoothing). Multilabel: the log-odds of a label that holds with probability ``1 - smoothing``, or of one
    that does not.
    """
    labels = len(task.labels)
    if task.kind == "multilabel":
        row = np.full(labels, -math.log((1 - smoothing) / smoothing), dtype=np.float32)
        row[list(columns)] *= -1
        return row
    shares = np.full(labels, smoothing / (labels - 1))
    shares[columns[0]] = 1 - smoothing
    return _logs(shares)


def votes_row(votes: Sequence[Sequence[int]], task: Task, smoothing: float) -> FloatArray:
    """Centred log-probabilities from answers by name, ``(labels,)``: votes with one pseudo-count per label.

    ``(n_label + smoothing) / (k + labels · smoothing)``. Multilabel: log-odds of each label for itself,
    ``(n_label + smoothing) / (k - n_label + smoothing)``.
    """
    counts = np.zeros(len(task.labels))
    for columns in votes:
        counts[list(columns)] += 1
    if task.kind == "multilabel":
        odds = (counts + smoothing) / (len(votes) - counts + smoothing)
        return np.asarray(np.log(odds), dtype=np.float32)
    return _logs(counts + smoothing)


def _logs(shares: npt.NDArray[np.float64]) -> FloatArray:
    """Log-probabilities minus their mean, which softmax ignores and no student should have to learn."""
    logs = np.log(np.maximum(shares / shares.sum(), math.exp(LEAST)))
    return np.asarray(logs - logs.mean(), dtype=np.float32)


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").split())
