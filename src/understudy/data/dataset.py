"""The one shape into which all data is read, and its form on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from understudy.folders import digest, publish, read_json, verify
from understudy.task import IntArray, Task


@dataclass(frozen=True)
class Split:
    """Texts with their labels, as columns.

    Attributes:
        texts: ``n`` texts.
        labels: ``(n,)`` int64, columns of ``task.labels``.
    """

    texts: tuple[str, ...]
    labels: IntArray

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Dataset:
    """A task with its texts. ``train`` and ``unlabelled`` share no text with ``dev`` or ``test``.

    Attributes:
        name: short name for folders and reports.
        task: kind, label names, metric.
        train: labelled texts to learn from.
        dev: labelled texts for early stopping and selection.
        test: labelled texts for the report; nothing that trains ever sees them.
        unlabelled: further texts of the domain, distinct, none of them in ``train``.
        notes: sentences on what was guessed, split or mapped, shown to the user and in the report.
        dropped: what was left out, by reason, e.g. ``{"train texts also in test": 2}``.
        source: where it came from, as the user gave it.
    """

    name: str
    task: Task
    train: Split
    dev: Split
    test: Split
    unlabelled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    source: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over task, texts and labels: two data sets with one fingerprint train the same student."""
        splits = [[list(s.texts), s.labels.tolist()] for s in (self.train, self.dev, self.test)]
        return digest([self.task.to_dict(), splits, list(self.unlabelled)])

    def label_counts(self) -> dict[str, dict[str, int]]:
        """Split name → label name → number of texts."""
        counts = {}
        for name in ("train", "dev", "test"):
            tally = np.bincount(getattr(self, name).labels, minlength=len(self.task.labels))
            counts[name] = dict(zip(self.task.labels, tally.tolist(), strict=True))
        return counts


def save_dataset(dataset: Dataset, folder: Path, about: dict[str, Any] | None = None) -> None:
    """Write a data set as JSONL files, label names in full, with a manifest."""
    with publish(folder, {**(about or {}), "fingerprint": dataset.fingerprint}) as aside:
        for name in ("train", "dev", "test"):
            split: Split = getattr(dataset, name)
            names = [dataset.task.labels[column] for column in split.labels]
            rows = ({"text": t, "label": n} for t, n in zip(split.texts, names, strict=True))
            _write_jsonl(aside / f"{name}.jsonl", rows)
        _write_jsonl(aside / "unlabelled.jsonl", ({"text": text} for text in dataset.unlabelled))
        facts = {
            "name": dataset.name,
            "task": dataset.task.to_dict(),
            "notes": list(dataset.notes),
            "dropped": dataset.dropped,
            "source": dataset.source,
        }
        (aside / "dataset.json").write_text(json.dumps(facts, ensure_ascii=False, indent=2), encoding="utf-8")


def load_saved_dataset(folder: Path) -> Dataset:
    """Read back what `save_dataset` wrote, after checking every file."""
    verify(folder)
    facts = read_json(folder / "dataset.json")
    task = Task.from_dict(facts["task"])
    splits = {}
    for name in ("train", "dev", "test"):
        rows = _read_jsonl(folder / f"{name}.jsonl")
        labels = np.array([task.index[row["label"]] for row in rows], dtype=np.int64)
        splits[name] = Split(tuple(row["text"] for row in rows), labels)
    return Dataset(
        name=facts["name"],
        task=task,
        unlabelled=tuple(row["text"] for row in _read_jsonl(folder / "unlabelled.jsonl")),
        notes=tuple(facts["notes"]),
        dropped=facts["dropped"],
        source=facts["source"],
        **splits,
    )


def _write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def _read_jsonl(path: Path) -> Sequence[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
