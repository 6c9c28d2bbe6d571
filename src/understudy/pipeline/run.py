"""A run in progress: its recipe, its folders, and the keys that say when something must be done again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from understudy.augment import PoolTexts
from understudy.core.items import from_json
from understudy.core.manifest import digest, read_json, read_manifest, verify
from understudy.core.task import Item
from understudy.data import Dataset
from understudy.data.unlabelled import ItemFiles
from understudy.errors import RecipeError
from understudy.evaluation.machine import cpu_name
from understudy.pipeline.predictors import PredictorSpec
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.teacher import ExternalTeacher, find_outside
from understudy.runtime.layout import Layout, slug
from understudy.teachers.function import Function
from understudy.teachers.source import Source, content_key, resolve_all

POOL = "pool.jsonl"
"""The pool's file in its folder, a line an item."""


LOCK = ".lock"
"""File of a run's folder that a process at work there holds."""


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder; a process that ends, however it ends, lets go of it.

    Raises:
        RecipeError: another one is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RecipeError(
            f"Another process is at work in {folder}. Wait until it is done, or name another folder with "
            "--out: two would pay and write everything twice."
        ) from error
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class Member:
    """One teacher of a run; most runs have one, an ensemble has several.

    Attributes:
        name: folder of the run that it is fine-tuned into, and name of its stage.
        source: where its weights come from.
        folder: the run's.
        recipe: says how it answers.
    """

    name: str
    source: Source
    folder: Path
    recipe: Recipe

    @cached_property
    def is_finetuned(self) -> bool:
        """Whether it brings a head of its own, or is a student already."""
        if self.source.is_student:
            return True
        from understudy.teachers import loading

        with loading.quiet():
            return loading.is_finetuned(self.source, loading.load_config(self.source))

    @cached_property
    def source_key(self) -> str:
        """Changes when the weights that it comes from change."""
        if self.source.folder is None:
            from understudy.teachers import loading

            with loading.quiet():
                commit = loading.load_config(self.source)._commit_hash  # noqa: SLF001
            return digest([self.source.location, commit])
        return content_key(self.source)

    @property
    def order(self) -> PredictorSpec:
        """How to open it."""
        if self.source.is_student:
            return PredictorSpec("student", self.source.location)
        labels = self.recipe.teacher.labels
        location = self.source.location if self.is_finetuned else str(self.folder / self.name)
        return PredictorSpec(
            "teacher",
            location,
            self.recipe.teacher.precision,
            labels if self.is_finetuned else None,
            trust_remote_code=self.recipe.teacher.trust_remote_code,
        )

    @cached_property
    def key(self) -> str:
        """Changes when its answers may change."""
        order = asdict(self.order)
        if self.is_finetuned:
            return digest([self.source_key, order["precision"], order["teacher_labels"]])
        manifest = read_manifest(self.folder / self.name) or {}
        return digest([manifest.get("inputs"), order["precision"]])


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
    def outside(self) -> ExternalTeacher | None:
        """The teacher, where it is an endpoint, a function or a table."""
        return find_outside(self.recipe, self.dataset.task, self.function)

    @property
    def forms(self) -> tuple[bool, ...]:
        """Whether students are trained on soft targets (false) and also on gold labels alone (true)."""
        return (False, True) if len(self.dataset.train) else (False,)

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The teachers: one, or those of an ensemble; none where the teacher is from outside."""
        teacher = self.recipe.teacher
        if teacher.model is None:
            return ()
        sources = resolve_all(teacher.model, trust_remote_code=teacher.trust_remote_code)
        names = ["teacher"] if len(sources) == 1 else [f"teacher-{i + 1}" for i in range(len(sources))]
        return tuple(
            Member(name, source, self.folder, self.recipe)
            for name, source in zip(names, sources, strict=True)
        )

    @property
    def teacher_name(self) -> str:
        """What the report calls the teacher."""
        if self.outside is not None:
            return self.outside.name
        return " + ".join(member.source.name for member in self.members)

    @property
    def teacher_order(self) -> PredictorSpec:
        """How to open the teacher."""
        if len(self.members) == 1:
            return self.members[0].order
        orders = tuple(member.order for member in self.members)
        return PredictorSpec("ensemble", self.teacher_name, members=orders, mean=self.recipe.teacher.mean)

    @cached_property
    def teacher_key(self) -> str:
        """Changes when the teacher's answers may change."""
        if self.outside is not None:
            return self.outside.key
        if len(self.members) == 1:
            return self.members[0].key
        return digest([self.recipe.teacher.mean, [member.key for member in self.members]])

    @property
    def soft_key(self) -> Any:
        """Changes when the soft targets of the transfer set change; more of them may be bought later."""
        if self.outside is None:
            return self.teacher_key
        return [self.teacher_key, read_json(self.folder / "logits" / "label.json")["found"]]

    @cached_property
    def labelled_key(self) -> str:
        """Changes when task, train or dev change."""
        data = self.dataset
        splits = [[list(split.texts), split.labels.tolist()] for split in (data.train, data.dev)]
        return digest([data.task.to_dict(), splits])

    @property
    def pool_folder(self) -> Path:
        """Where the pool is kept."""
        return self.folder / "augment"

    @property
    def is_streamed(self) -> bool:
        """Whether unlabelled and made texts stay on disk."""
        return isinstance(self.dataset.unlabelled, ItemFiles)

    @cached_property
    def pool(self) -> tuple[Item, ...] | PoolTexts:
        """The texts without gold labels that students learn from, once the stage `augment` is done.

        The pool, or without steps the unlabelled texts as given. Checked and read once a run, or, where it
        is streamed, read anew at each pass.
        """
        if isinstance(self.dataset.unlabelled, ItemFiles):
            return PoolTexts(self.pool_folder)
        if not self.recipe.augment:
            return self.dataset.unlabelled
        verify(self.pool_folder)
        with (self.pool_folder / POOL).open(encoding="utf-8") as file:
            return tuple(from_json(json.loads(line)["text"]) for line in file)

    @cached_property
    def pool_key(self) -> Any:
        """Changes when the pool changes."""
        return self.pool.fingerprint if isinstance(self.pool, PoolTexts) else list(self.pool)

    @property
    def store_folder(self) -> Path:
        """The logit store of this teacher."""
        return self.folder / "logits" / self.teacher_key[:16]

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

    def measured_on(self, smaller: dict[str, str]) -> dict[str, Any]:
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
