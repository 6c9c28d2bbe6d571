"""The baseline that every student must beat: a linear model of words. It learns from gold labels alone.

`understudy.training.baseline.features` says what it sees, `understudy.training.baseline.linear` fits it:

==================  ==================================================  =================================
task                what a row is made of                               model
==================  ==================================================  =================================
classification      tf-idf of words and word pairs                      logistic regression
pair                that of each text, of what both have, and seven     logistic regression
                    numbers of their likeness
multilabel          as above, for one text or two                       a logistic regression a label,
                                                                        thresholds tuned on dev
regression          as above, for one text or two                       ridge, or of bins logistic
                                                                        regression
tagging             traits of a word and of its neighbours              logistic regression, and which
                                                                        tags follow each other
==================  ==================================================  =================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.core.chain import in_order
from understudy.core.items import rows_of
from understudy.core.manifest import publish, read_json, read_manifest, verify
from understudy.core.task import FloatArray, Gold, Item, Task
from understudy.errors import ArtifactError, DataError
from understudy.evaluation.metrics import score
from understudy.evaluation.thresholds import tuned
from understudy.training.baseline.features import Features, features_of
from understudy.training.baseline.linear import Linear, fit_each
from understudy.training.transitions import with_transitions

FORMAT = "understudy.linear_baseline.v1"


class LinearBaseline:
    """A linear layer on sparse features; a Predictor.

    Args:
        task: Names the columns of the logits.
        features: Turn items into rows.
        weight: ``(width, labels)``, where ``width`` is the features'.
        bias: ``(labels,)``.
        strength: The inverse regularisation strength ``C`` it was fitted with.

    Raises:
        ArtifactError: The shapes do not belong together.
    """

    def __init__(
        self, task: Task, features: Features, *, weight: npt.ArrayLike, bias: npt.ArrayLike, strength: float
    ) -> None:
        self.task = task
        self.features = features
        self.weight = np.asarray(weight, dtype=np.float32)
        self.bias = np.asarray(bias, dtype=np.float32)
        self.strength = strength
        labels = len(task.labels)
        needed, found = ((features.width, labels), (labels,)), (self.weight.shape, self.bias.shape)
        if needed != found:
            raise ArtifactError(
                f"A baseline of {features.width} features and {labels} labels needs weight and bias of "
                f"shapes {needed}, but has {found}."
            )

    @property
    def parameters(self) -> int:
        """Numbers that were learnt: those of the features, weight and bias."""
        learnt = (*self.features.arrays.values(), self.weight, self.bias)
        return sum(array.size for array in learnt)

    def logits(self, items: Sequence[Any]) -> FloatArray:
        """Scores ``(rows, labels)``, float32, of the task's items."""
        scores = np.asarray(self.features.matrix(items) @ self.weight + self.bias, dtype=np.float32)
        return in_order(self.task, scores, self.task.rows(items))

    def save(self, folder: Path, about: Mapping[str, Any] | None = None) -> None:
        """Write ``baseline.json`` (task, terms), ``weights.npz`` and a manifest with ``about``."""
        facts = {
            "task": self.task.to_dict(),
            "strength": self.strength,
            "terms": list(self.features.terms),
        }
        with publish(folder, {**(about or {}), "format": FORMAT}) as aside:
            (aside / "baseline.json").write_text(json.dumps(facts), encoding="utf-8")
            arrays: dict[str, Any] = {"weight": self.weight, "bias": self.bias, **self.features.arrays}
            np.savez(aside / "weights.npz", **arrays)


def load_baseline(folder: Path) -> LinearBaseline:
    """Read back what `LinearBaseline.save` wrote, of any kind of task, after checking every file.

    Raises:
        ArtifactError: The folder is incomplete, altered, or holds something else.
    """
    found = verify(folder).get("format")
    if found != FORMAT:
        raise ArtifactError(f"{folder} holds {found!r}, not a baseline ({FORMAT!r}).")
    facts = read_json(folder / "baseline.json")
    task = Task.from_dict(facts["task"])
    with np.load(folder / "weights.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    weight, bias = arrays.pop("weight"), arrays.pop("bias")
    features = features_of(task)(facts["terms"], **arrays)
    return LinearBaseline(task, features, weight=weight, bias=bias, strength=facts["strength"])


def folder_bytes(folder: Path) -> int:
    """Size in bytes of what `LinearBaseline.save` wrote, its manifest left out.

    Raises:
        ArtifactError: The folder has no manifest.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactError(f"{folder} holds nothing that was saved by Understudy.")
    return sum(int(facts["bytes"]) for facts in manifest["files"].values())


def fit_baseline(
    task: Task,
    train_items: Sequence[Item],
    train_gold: npt.ArrayLike,
    dev_items: Sequence[Item],
    dev_gold: npt.ArrayLike,
    *,
    seed: int,
) -> LinearBaseline:
    """Fit the baseline on train, its regularisation chosen by the task's metric on dev.

    Items with a row that has no gold label are left out. In multilabel, the thresholds of the returned
    baseline's task are tuned on dev too; in tagging, it weighs which tags follow each other as students do.

    Args:
        task: Kind, label names and metric.
        train_items: Items of the task, in tagging sentences.
        train_gold: Their gold labels, see `understudy.core.task.Gold`.
        dev_items: Items to choose by.
        dev_gold: Their gold labels.
        seed: Handed to the solver.

    Raises:
        DataError: No items with gold labels, one label only, no words, or gold labels that do not fit.
    """
    train, train_y = _labelled("train", task, train_items, train_gold)
    dev, dev_y = _labelled("dev", task, dev_items, dev_gold)
    features = features_of(task).fit(train)
    dev_matrix, lengths = features.matrix(dev), task.rows(dev)
    best: tuple[float, Task, Linear, FloatArray] | None = None
    for fitted in fit_each(task, features.matrix(train), train_y, seed=seed):
        logits = np.asarray(dev_matrix @ fitted.weight + fitted.bias, dtype=np.float32)
        decider = tuned(task, logits, dev_y)
        value = score(decider, dev_y, decider.decisions(logits), lengths)
        if best is None or value > best[0]:
            best = (value, decider, fitted, logits)

    assert best is not None
    _, task, fitted, logits = best
    task, _ = with_transitions(task, (train_y, task.rows(train)), (logits, dev_y, lengths))
    return LinearBaseline(task, features, **fitted._asdict())


def _labelled(name: str, task: Task, items: Sequence[Any], gold: npt.ArrayLike) -> tuple[list[Any], Gold]:
    """The items of which every row has a gold label, and those labels."""
    counts = task.rows(items)
    nothing = task.no_gold(int(counts.sum()))
    labels = np.asarray(gold, dtype=nothing.dtype)
    if labels.shape != nothing.shape or len(items) == 0:
        raise DataError(
            f"The {name} split needs items, and gold labels of shape {nothing.shape}, but has {len(items)} "
            f"items and gold labels of shape {labels.shape}."
        )

    if task.is_exclusive and labels.max(initial=0) >= len(task.labels):
        raise DataError(
            f"The {name} split has label column {labels.max()}, but the task has columns 0 to "
            f"{len(task.labels) - 1}."
        )
    has_gold = labels >= 0 if task.is_exclusive else ~np.isnan(labels)
    missing = np.bincount(
        np.repeat(np.arange(len(items)), counts),
        ~has_gold.reshape(len(labels), -1).all(axis=1),
        minlength=len(items),
    )
    picked = np.flatnonzero((missing == 0) & (counts > 0))
    if len(picked) == 0:
        raise DataError(f"No item of the {name} split has gold labels. Give at least one.")
    return [items[place] for place in picked.tolist()], labels[rows_of(picked, counts)]
