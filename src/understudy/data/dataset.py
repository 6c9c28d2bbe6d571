"""The one shape into which all data is read, and how it is written to disk."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from understudy.core.corpus import Corpus, Items, as_corpus
from understudy.core.manifest import digest, publish
from understudy.core.task import Gold, Item, Task
from understudy.data.gold import count, decode

GOLD_KEYS = {"multilabel": "labels", "regression": "value", "tagging": "tags"}
"""Under which key each kind of task keeps its gold labels on disk; the others keep one ``label``."""


@dataclass(frozen=True)
class Split:
    """Items with their gold labels, every row with one.

    Attributes:
        texts: ``n`` texts, pairs of texts, or (tagging) sentences as tuples of words.
        labels: Gold labels of their rows, as `understudy.core.task.Gold` says for the kind of task.
    """

    texts: tuple[Item, ...]
    labels: Gold

    def __len__(self) -> int:
        return len(self.texts)

    def without(self, items: Container[Item]) -> Split:
        """The split without these items; each has one row."""
        kept = [row for row, text in enumerate(self.texts) if text not in items]
        return Split(tuple(self.texts[row] for row in kept), self.labels[kept])


@dataclass(frozen=True)
class Dataset:
    """A task with its texts. ``train`` and ``unlabelled`` share no text with ``dev`` or ``test``.

    Attributes:
        name: Short name for folders and reports.
        task: Kind, label names, metric.
        train: Labelled texts to learn from.
        dev: Labelled texts for early stopping and selection.
        test: Labelled texts for the report; nothing that trains ever sees them.
        unlabelled: Further texts of the domain, distinct, none of them in ``train``; or the files in which
            they stay: the stage that streams them leaves out repeated ones and those in train, dev or test.
        notes: Sentences on what was guessed, split or mapped, shown to the user and in the report.
        dropped: How many texts were left out, by reason, e.g. ``{"train texts also in test": 2}``.
        source: Where it came from, as the user gave it.
    """

    name: str
    task: Task
    train: Split
    dev: Split
    test: Split
    unlabelled: Corpus = Items()  # noqa: RUF009 -- an empty tuple, which nothing can change
    notes: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "unlabelled", as_corpus(self.unlabelled))

    @property
    def given(self) -> tuple[Item, ...]:
        """The unlabelled items in memory; those of files are read."""
        return tuple(self.unlabelled)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over task, texts and labels: two data sets with one fingerprint train the same student."""
        splits = [[list(s.texts), s.labels.tolist()] for s in (self.train, self.dev, self.test)]
        return digest([self.task.to_dict(), splits, self.unlabelled.fingerprint])

    def label_counts(self) -> dict[str, dict[str, int]]:
        """Split name → label name → number of texts, in tagging of words; values are counted by range."""
        return {name: count(getattr(self, name).labels, self.task) for name in ("train", "dev", "test")}


def save_dataset(dataset: Dataset, folder: Path, about: Mapping[str, object] | None = None) -> None:
    """Write a data set as JSONL files, label names in full, with a manifest; files are named, not copied.

    A row is ``{"text": …, "label": …}``, where a pair's text is a list of two; or with ``"labels": […]``
    (multilabel) or ``"value": 2.5`` (regression) in the label's place; or ``{"words": […], "tags": […]}``.
    """
    with publish(folder, {**(about or {}), "fingerprint": dataset.fingerprint}) as aside:
        for name in ("train", "dev", "test"):
            _write_jsonl(aside / f"{name}.jsonl", _rows(getattr(dataset, name), dataset.task))

        key = _text_key(dataset.task)
        further = dataset.unlabelled
        if not further.is_on_disk:
            _write_jsonl(aside / "unlabelled.jsonl", ({key: item} for item in further))

        facts = {
            "name": dataset.name,
            "task": dataset.task.to_dict(),
            "notes": list(dataset.notes),
            "dropped": dataset.dropped,
            "source": dataset.source,
            **further.facts,
        }
        (aside / "dataset.json").write_text(json.dumps(facts, ensure_ascii=False, indent=2), encoding="utf-8")


def _text_key(task: Task) -> str:
    return "words" if task.kind == "tagging" else "text"


def _rows(split: Split, task: Task) -> Iterator[dict[str, object]]:
    text, gold = _text_key(task), GOLD_KEYS.get(task.kind, "label")
    for item, label in zip(split.texts, decode(split.labels, task, split.texts), strict=True):
        yield {text: item, gold: label}


def _write_jsonl(path: Path, rows: Iterable[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
