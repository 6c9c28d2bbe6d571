"""Models on this machine that teach a run: where each comes from, and how it is opened."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from understudy.core.manifest import digest, read_manifest
from understudy.pipeline.predictors import PredictorSpec
from understudy.pipeline.recipe import Recipe
from understudy.teachers.source import Source, content_key, resolve_all


@dataclass(frozen=True)
class Member:
    """A model that teaches a run; most runs have one, an ensemble has several.

    Attributes:
        name: Name of the folder in the run where it is saved after fine-tuning.
        source: Where its weights come from.
        folder: Folder of the run.
        recipe: The recipe, with its precision and its labels.
    """

    name: str
    source: Source
    folder: Path
    recipe: Recipe

    @cached_property
    def is_finetuned(self) -> bool:
        """Whether it has a head of its own, or is a student that was distilled before."""
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
    def spec(self) -> PredictorSpec:
        """How to open it."""
        if self.source.is_student:
            return PredictorSpec("student", self.source.location)
        from understudy.teachers.bfloat16 import resolved

        labels = self.recipe.teacher.labels
        location = self.source.location if self.is_finetuned else str(self.folder / self.name)
        return PredictorSpec(
            "teacher",
            location,
            resolved(self.recipe.teacher.precision),
            labels if self.is_finetuned else None,
            trust_remote_code=self.recipe.teacher.trust_remote_code,
        )

    @cached_property
    def key(self) -> str:
        """Changes when its answers may change."""
        spec = asdict(self.spec)
        if self.is_finetuned:
            return digest([self.source_key, spec["precision"], spec["teacher_labels"]])
        manifest = read_manifest(self.folder / self.name) or {}
        return digest([manifest.get("inputs"), spec["precision"]])


def members_of(recipe: Recipe, folder: Path) -> tuple[Member, ...]:
    """The models that a recipe names under ``teacher.model``, in order; none for another kind of teacher."""
    if recipe.teacher.model is None:
        return ()
    trusts = recipe.teacher.trust_remote_code
    sources = resolve_all(recipe.teacher.model, trust_remote_code=trusts)
    names = ["teacher"] if len(sources) == 1 else [f"teacher-{i + 1}" for i in range(len(sources))]
    return tuple(Member(name, source, folder, recipe) for name, source in zip(names, sources, strict=True))
