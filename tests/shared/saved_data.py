"""Read back what `save_dataset` writes: a run keeps it for people, so the package itself never reads it."""

import json
from pathlib import Path

from understudy.core.items import from_json
from understudy.core.manifest import read_json, verify
from understudy.core.task import Task
from understudy.data import Dataset, Split
from understudy.data.dataset import GOLD_KEYS
from understudy.data.gold import encode
from understudy.data.unlabelled import ItemFiles


def load_saved_dataset(folder):
    """The data set of a folder, every file of which is checked."""
    verify(folder)
    facts = read_json(folder / "dataset.json")
    task = Task.from_dict(facts["task"])
    text = "words" if task.kind == "tagging" else "text"

    def items(rows):
        return tuple(from_json(row[text]) for row in rows)

    def split(name):
        rows = read_rows(folder / f"{name}.jsonl")
        gold = [row[GOLD_KEYS.get(task.kind, "label")] for row in rows]
        labels = [tuple(label) if isinstance(label, list) else label for label in gold]
        return Split(items(rows), encode(labels, task))

    if files := facts.get("files"):
        further = ItemFiles(tuple(map(Path, files["paths"])), tuple(files["text_columns"]), files["is_pair"])
    else:
        further = items(read_rows(folder / "unlabelled.jsonl"))
    return Dataset(
        name=facts["name"],
        task=task,
        train=split("train"),
        dev=split("dev"),
        test=split("test"),
        unlabelled=further,
        notes=tuple(facts["notes"]),
        dropped=facts["dropped"],
        source=facts["source"],
    )


def read_rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
