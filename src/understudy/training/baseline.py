"""The baseline that every student must beat: weighted word pairs and a linear classifier.

Words and pairs of neighbouring words (`understudy.words.split`), weighted by tf-idf with sublinear counts,
then logistic regression. It learns from hard labels alone and needs no teacher.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.errors import ArtifactError, DataError
from understudy.folders import publish, read_json, read_manifest, verify
from understudy.metrics import score
from understudy.task import FloatArray, IntArray, Task
from understudy.words import split

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Inverse regularisation strengths ``C`` to choose from on dev; the first of equals wins."""

MANY_TEXTS = 20_000
"""Above this number of training texts, terms of a single text cost more memory than they help."""

FORMAT = "understudy.tfidf_baseline.v1"
NEVER = -1e4
"""Logit of a label that no training text has: its probability is 0 beside any other."""


class TfidfBaseline:
    """Tf-idf of words and word pairs, and a linear layer; a Predictor.

    Args:
        task: names the columns of the logits.
        terms: words and pairs of words, the latter joined by a space; ``v`` of them, distinct.
        idf: ``(v,)`` inverse document frequencies.
        weight: ``(v, labels)``.
        bias: ``(labels,)``.
        strength: the inverse regularisation strength ``C`` it was fitted with.

    Raises:
        ArtifactError: the shapes do not belong together.
    """

    def __init__(
        self,
        task: Task,
        *,
        terms: Sequence[str],
        idf: npt.ArrayLike,
        weight: npt.ArrayLike,
        bias: npt.ArrayLike,
        strength: float,
    ) -> None:
        self.task = task
        self.terms = tuple(terms)
        self.idf = np.asarray(idf, dtype=np.float32)
        self.weight = np.asarray(weight, dtype=np.float32)
        self.bias = np.asarray(bias, dtype=np.float32)
        self.strength = strength
        v, c = len(self.terms), len(task.labels)
        shapes = (self.idf.shape, self.weight.shape, self.bias.shape)
        if shapes != ((v,), (v, c), (c,)) or len(set(self.terms)) != v:
            raise ArtifactError(
                f"A baseline of {v} distinct terms and {c} labels needs arrays {(v,)}, {(v, c)}, {(c,)}, "
                f"but has {shapes}."
            )
        self._vectorizer = _vectorizer(dtype=np.float32, vocabulary=list(self.terms))
        self._vectorizer.idf_ = self.idf

    @property
    def parameters(self) -> int:
        """Numbers that were learnt: idf, weight and bias."""
        return self.idf.size + self.weight.size + self.bias.size

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """Scores ``(len(texts), labels)``, float32."""
        if len(texts) == 0:
            return np.zeros((0, len(self.task.labels)), dtype=np.float32)
        scores = self._vectorizer.transform(texts) @ self.weight + self.bias
        return np.asarray(scores, dtype=np.float32)

    def save(self, folder: Path, about: Mapping[str, Any] | None = None) -> None:
        """Write ``baseline.json`` (task, terms), ``weights.npz`` and a manifest with ``about``."""
        facts = {"task": self.task.to_dict(), "strength": self.strength, "terms": list(self.terms)}
        with publish(folder, {**(about or {}), "format": FORMAT}) as aside:
            (aside / "baseline.json").write_text(json.dumps(facts), encoding="utf-8")
            np.savez(aside / "weights.npz", idf=self.idf, weight=self.weight, bias=self.bias)

    @classmethod
    def load(cls, folder: Path) -> TfidfBaseline:
        """Read back what `save` wrote, after checking every file.

        Raises:
            ArtifactError: the folder is incomplete, altered, or holds something else.
        """
        found = verify(folder).get("format")
        if found != FORMAT:
            raise ArtifactError(f"{folder} holds {found!r}, not a baseline ({FORMAT!r}).")
        facts = read_json(folder / "baseline.json")
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            return cls(
                task=Task.from_dict(facts["task"]),
                terms=facts["terms"],
                idf=arrays["idf"],
                weight=arrays["weight"],
                bias=arrays["bias"],
                strength=facts["strength"],
            )


def fit_baseline(
    task: Task,
    train_texts: Sequence[str],
    train_labels: npt.ArrayLike,
    dev_texts: Sequence[str],
    dev_labels: npt.ArrayLike,
    *,
    seed: int,
) -> TfidfBaseline:
    """Fit the baseline on train, its regularisation chosen by the task's metric on dev.

    Terms that stand in a single training text are left out if there are more than `MANY_TEXTS` texts.

    Args:
        task: label names and metric.
        train_texts: ``n`` texts.
        train_labels: ``(n,)`` columns of ``task.labels``.
        dev_texts: ``m`` texts.
        dev_labels: ``(m,)`` columns of ``task.labels``.
        seed: handed to the solver.

    Raises:
        DataError: no texts, too few labels, no words, or texts and labels of two lengths.
    """
    from sklearn.linear_model import LogisticRegression

    train_y = _check("train", task, train_texts, train_labels)
    dev_y = _check("dev", task, dev_texts, dev_labels)
    seen = np.unique(train_y)
    if len(seen) < 2:
        raise DataError(
            f"All train texts have the label {task.labels[seen[0]]!r}. Give texts of two labels or more."
        )
    vectorizer = _vectorizer(dtype=np.float64, min_df=2 if len(train_texts) > MANY_TEXTS else 1)
    try:
        features = vectorizer.fit_transform(list(train_texts))
    except ValueError as error:
        raise DataError(f"The train texts hold no words to learn from: {error}.") from error
    dev_features = vectorizer.transform(list(dev_texts))
    model = LogisticRegression(max_iter=1000, warm_start=True, random_state=seed)
    best: tuple[float, float, npt.NDArray[Any], npt.NDArray[Any]] | None = None
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(features, train_y)
        value = score(task, dev_y, model.predict(dev_features))
        if best is None or value > best[0]:
            best = (value, strength, model.coef_.copy(), model.intercept_.copy())
    assert best is not None
    weight, bias = _columns(best[2], best[3], seen, len(task.labels))
    terms = vectorizer.get_feature_names_out().tolist()
    return TfidfBaseline(task, terms=terms, idf=vectorizer.idf_, weight=weight, bias=bias, strength=best[1])


def folder_bytes(folder: Path) -> int:
    """Size in bytes of what `TfidfBaseline.save` wrote, its manifest left out.

    Raises:
        ArtifactError: the folder has no manifest.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactError(f"{folder} holds nothing that was saved by Understudy.")
    return sum(int(facts["bytes"]) for facts in manifest["files"].values())


def _vectorizer(**options: Any) -> Any:
    """Scikit-learn's tf-idf over words and word pairs, with our own rule of what a word is."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        tokenizer=split, token_pattern=None, lowercase=False, ngram_range=(1, 2), sublinear_tf=True, **options
    )


def _columns(
    coefficients: npt.NDArray[Any], intercept: npt.NDArray[Any], seen: IntArray, n_labels: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Weight ``(v, labels)`` and bias ``(labels,)`` from scikit-learn's ``(seen labels or 1, v)``.

    With two labels scikit-learn keeps one decision ``d``; here they get the logits ``-d / 2`` and ``d / 2``.
    """
    if len(seen) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    weight = np.zeros((coefficients.shape[1], n_labels))
    bias = np.full(n_labels, NEVER)
    weight[:, seen] = coefficients.T
    bias[seen] = intercept
    return weight, bias


def _check(name: str, task: Task, texts: Sequence[str], labels: npt.ArrayLike) -> IntArray:
    """The labels as int64, after checking that there is one column of the task for each text."""
    columns = np.asarray(labels, dtype=np.int64)
    if columns.shape != (len(texts),) or len(texts) == 0:
        raise DataError(
            f"The {name} split needs texts, and one label each, but has {len(texts)} texts and labels of "
            f"shape {columns.shape}."
        )
    if columns.min() < 0 or columns.max() >= len(task.labels):
        raise DataError(
            f"The {name} split has label columns {columns.min()} to {columns.max()}, but the task has "
            f"columns 0 to {len(task.labels) - 1}."
        )
    return columns
