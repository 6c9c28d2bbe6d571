"""A run in progress: its recipe, its folders, and the keys that say when something must be done again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from understudy.augment import PoolTexts
from understudy.core.corpus import Corpus, Items
from understudy.core.items import from_json
from understudy.core.manifest import digest, read_json, verify
from understudy.data import Dataset
from understudy.evaluation.machine import cpu_name
from understudy.pipeline.label_record import LabelRecord
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.teacher import Labeller, RunTeacher, find_teacher
from understudy.runtime.layout import Layout, slug
from understudy.targets.store import LogitStore
from understudy.teachers.function import Function

POOL = "pool.jsonl"
"""The pool's file in its folder, a line an item."""

POOL_FOLDER = "augment"
"""Folder of a run that has the pool."""


@dataclass
class Run:
    """A run in progress: its folder, its recipe, and what its stages have found so far.

    ``function`` is a teacher that was handed over in Python.
    """

    folder: Path
    recipe: Recipe
    stages: StageCache
    dataset: Dataset
    function: Function | None = None

    @cached_property
    def teacher(self) -> RunTeacher:
        """The teacher, whatever it is."""
        return find_teacher(self.recipe, self.dataset.task, self.folder, self.function)

    def open_teacher(self) -> Labeller:
        """The teacher, opened: it fills the logit store."""
        return self.teacher.open(self.dataset.task, self.stages.progress, self.recipe.seed)

    @property
    def gold_variants(self) -> tuple[bool, ...]:
        """Whether students are trained on soft targets (false) and also on gold labels alone (true)."""
        return (False, True) if len(self.dataset.train) else (False,)

    @property
    def record(self) -> LabelRecord:
        """What the stage `label` left behind.

        Raises:
            ArtifactError: it was not done, or its record is damaged.
        """
        return LabelRecord.load(self.store_folder.parent)

    def store(self, record: LabelRecord | None = None) -> LogitStore:
        """The logit store that the stage `label` filled."""
        fingerprint = (record or self.record).fingerprint
        return LogitStore(self.store_folder, teacher=fingerprint, labels=self.dataset.task.labels)

    @property
    def soft_key(self) -> object:
        """Changes when the soft targets of the transfer set change."""
        return self.teacher.soft_key(self.record.found)

    @cached_property
    def labelled_key(self) -> str:
        """Changes when task, train or dev change."""
        data = self.dataset
        splits = [[list(split.texts), split.labels.tolist()] for split in (data.train, data.dev)]
        return digest([data.task.to_dict(), splits])

    @property
    def pool_folder(self) -> Path:
        """Where the pool is kept."""
        return self.folder / POOL_FOLDER

    @property
    def is_streamed(self) -> bool:
        """Whether unlabelled and made texts stay on disk."""
        return self.dataset.unlabelled.is_on_disk

    @cached_property
    def pool(self) -> Corpus:
        """The texts without gold labels that students learn from, once the stage `augment` is done.

        The pool, or without steps the unlabelled texts as given. It is checked and read once a run, or, where
        it is streamed, read anew at each pass.
        """
        if self.is_streamed:
            return PoolTexts(self.pool_folder)
        if not self.recipe.augment:
            return self.dataset.unlabelled
        verify(self.pool_folder)
        with (self.pool_folder / POOL).open(encoding="utf-8") as file:
            return Items(from_json(json.loads(line)["text"]) for line in file)

    @property
    def store_folder(self) -> Path:
        """The logit store of this teacher."""
        return self.folder / "logits" / self.teacher.key[:16]

    def model_folder(self, name: str, *, is_gold: bool) -> Path:
        """Where a student is exported to."""
        return self.folder / ("undistilled" if is_gold else "models") / slug(name)

    def train_folder(self, name: str, *, is_gold: bool) -> Path:
        """Where a trained student is kept."""
        return self.folder / "train" / (slug(name) + (".gold" if is_gold else ""))

    @property
    def baseline_folder(self) -> Path:
        """Where the linear baseline is kept."""
        return self.folder / "train" / "baseline"

    def smaller(self, name: str, *, is_gold: bool) -> dict[str, str]:
        """What an export may save bits on: ``quantize`` and ``table``.

        The undistilled twin of a student, timed beside it, follows what was decided for the student.
        """
        wanted: dict[str, str] = {"quantize": self.recipe.quantize, "table": self.recipe.table}
        if not is_gold or "auto" not in wanted.values():
            return wanted
        decided = read_json(Layout(self.model_folder(name, is_gold=False)).config)["quantisation"]
        return {"quantize": "int8" if decided["is_int8"] else "none", "table": decided["table"]["form"]}

    def measured_on(self, smaller: dict[str, str]) -> dict[str, object]:
        """What decisions by measurement hang on: until one of these changes, they stand."""
        if smaller == {"quantize": "none", "table": "float32"}:
            return {}
        where = {"cpu": cpu_name(), "onnxruntime": version("onnxruntime")}
        return {**smaller, "dev": self.labelled_key, **where}

    def checkpoint(self, name: str, key: str) -> Path:
        """Folder in which a long training keeps its state; gone once the stage is done."""
        return self.folder / ".checkpoints" / f"{name}-{key[:16]}"


def stage_name(verb: str, name: str, *, is_gold: bool) -> str:
    """What a student's stage is called."""
    return f"{verb} {name}" + (" on labels only" if is_gold else "")
