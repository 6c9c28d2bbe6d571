"""A run in progress: its recipe, its folders, and the keys that decide when a stage must be done again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from understudy.augment import PoolTexts
from understudy.core.configs import LossConfig
from understudy.core.corpus import Corpus, Items
from understudy.core.items import from_json
from understudy.core.manifest import digest, read_json, verify
from understudy.data import Dataset
from understudy.evaluation.machine import cpu_name
from understudy.pipeline.decisions import Decisions, losses_to_try
from understudy.pipeline.label_record import LabelRecord
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.teacher import Labeller, RunTeacher, find_teacher
from understudy.runtime.layout import Layout, slug
from understudy.targets.store import LogitStore
from understudy.teachers.function import Function

if TYPE_CHECKING:
    from understudy.training.embeddings.known import KnownWords

POOL = "pool.jsonl"
"""File of the pool in its folder, one item a line."""

POOL_FOLDER = "augment"
"""Folder of the pool in a run."""


class Smaller(TypedDict):
    """How an export may make a student smaller: the parameters of `understudy.export.folder.export`."""

    quantize: str
    table: str
    prune: NotRequired[float | str]


@dataclass
class Run:
    """A run in progress.

    Attributes:
        folder: Folder of the run.
        recipe: The recipe.
        stages: Its stages, and which of them were done.
        dataset: The data; stages add notes to it, and drop texts that the teacher did not answer.
        function: The teacher, where it is handed over in Python.
        has_made_pool: Whether the pool was made by rules because there was none: students may leave it out.
        decisions: What was chosen on dev, once the stage `choose` is done.
        known: The teacher's vectors of single words, once they were read.
    """

    folder: Path
    recipe: Recipe
    stages: StageCache
    dataset: Dataset
    function: Function | None = None
    has_made_pool: bool = False
    decisions: Decisions | None = None
    known: KnownWords | None = None

    @property
    def losses(self) -> tuple[LossConfig, ...]:
        """The losses that the recipe leaves open, the preferred one first."""
        recipe, data = self.recipe, self.dataset
        has_gold, has_weights = len(data.train) > 0, recipe.training.class_weights
        return losses_to_try(recipe.loss, data.task, has_gold=has_gold, has_weights=has_weights)

    @property
    def chosen(self) -> Decisions:
        """How students are trained: what `choose` decided, or else the first of what the recipe allows."""
        return self.decisions or Decisions(self.losses[0], self.recipe.training.embeddings)

    @property
    def may_start_from_teacher(self) -> bool:
        """Whether it is open what word tables start from, and the teacher has vectors of words to give."""
        members = self.teacher.members
        is_open = self.recipe.training.embeddings is None and self.dataset.task.kind != "tagging"
        return is_open and len(members) == 1 and not members[0].source.is_student

    @cached_property
    def teacher(self) -> RunTeacher:
        """The teacher, whatever it is."""
        return find_teacher(self.recipe, self.dataset.task, self.folder, self.function)

    def open_teacher(self) -> Labeller:
        """Open the teacher, to fill the logit store."""
        return self.teacher.open(self.dataset.task, self.stages.progress, self.recipe.seed)

    @property
    def gold_variants(self) -> tuple[bool, ...]:
        """Whether students are trained on soft targets (false) and also on gold labels alone (true)."""
        return (False, True) if len(self.dataset.train) else (False,)

    @property
    def record(self) -> LabelRecord:
        """The record of the stage `label`.

        Raises:
            ArtifactError: The stage was not done, or its record is damaged.
        """
        return LabelRecord.load(self.store_folder.parent)

    def store(self, fingerprint: str | None = None) -> LogitStore:
        """Open the logit store that the stage `label` filled.

        Args:
            fingerprint: Fingerprint of the teacher; by default the one in the record of the stage.
        """
        fingerprint = fingerprint or self.record.fingerprint
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
        """Folder of the pool."""
        return self.folder / POOL_FOLDER

    @property
    def is_streamed(self) -> bool:
        """Whether unlabelled and made texts stay on disk."""
        return self.dataset.unlabelled.is_on_disk

    @cached_property
    def pool(self) -> Corpus:
        """The texts without gold labels that students learn from, once the stage `augment` is done.

        Without steps these are the unlabelled texts themselves. The pool is checked and read once in a run;
        where it is streamed, it is read from disk at each pass.
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
        """Folder of this teacher's logit store."""
        return self.folder / "logits" / self.teacher.key[:16]

    def model_folder(self, name: str, *, is_gold: bool) -> Path:
        """Folder that a student is exported to."""
        return self.folder / ("undistilled" if is_gold else "models") / slug(name)

    def train_folder(self, name: str, *, is_gold: bool) -> Path:
        """Folder of a trained student."""
        return self.folder / "train" / (slug(name) + (".gold" if is_gold else ""))

    @property
    def baseline_folder(self) -> Path:
        """Folder of the linear baseline."""
        return self.folder / "train" / "baseline"

    def smaller(self, name: str, *, is_gold: bool) -> Smaller:
        """How an export may store numbers in fewer bits, and leave out rows where the recipe says so.

        The undistilled twin of a student is timed beside it, and so follows the decision for the student.
        """
        wanted: Smaller = {"quantize": self.recipe.quantize, "table": self.recipe.table}
        if self.recipe.prune != "none":
            wanted["prune"] = self.recipe.prune
        if not is_gold or "auto" not in wanted.values():
            return wanted

        config = read_json(Layout(self.model_folder(name, is_gold=False)).config)
        bits, share = config["quantisation"], config.get("pruning", {}).get("share", 1.0)
        decided: Smaller = {"quantize": "int8" if bits["is_int8"] else "none", "table": bits["table"]["form"]}
        if share < 1.0:
            decided["prune"] = share
        return decided

    def measured_on(self, smaller: Smaller) -> dict[str, object]:
        """Everything that decisions by measurement depend on; they are valid until one of these changes."""
        if smaller == {"quantize": "none", "table": "float32"}:
            return {}
        machine = {"cpu": cpu_name(), "onnxruntime": version("onnxruntime")}
        return {**smaller, "dev": self.labelled_key, **machine}

    def checkpoint(self, name: str, key: str) -> Path:
        """Folder in which a training keeps its state; it is removed once the stage is done."""
        return self.folder / ".checkpoints" / f"{name}-{key[:16]}"


def stage_name(verb: str, name: str, *, is_gold: bool) -> str:
    """Name of a stage of one student."""
    return f"{verb} {name}" + (" on labels only" if is_gold else "")
