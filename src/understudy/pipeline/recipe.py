"""The one configuration of a run: a file, flags and ``--set`` fill it, and it is checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from understudy.core.checks import check_choice
from understudy.core.configs import (
    AUTO,
    DEFAULT_STUDENTS,
    TEACHER_PRECISIONS,
    VECTORS_OF_TEACHER,
    FinetuneConfig,
    LossConfig,
    TrainingConfig,
)
from understudy.core.task import KINDS, METRICS
from understudy.errors import RecipeError, UnderstudyError
from understudy.runtime.fast_format import OF_TEXTS, SERVED, TAGGERS
from understudy.teachers.chat.config import ServerConfig
from understudy.teachers.configs import EndpointConfig, TableConfig
from understudy.teachers.methods import check_unused
from understudy.teachers.source import DEFAULT, resolve_all

OUTSIDE = ("endpoint", "callable", "table")
"""Keys of teachers that are not local models."""

LABELLED = ("label_column", "labels", "label_separator", "delimiter", "header", "bins", "rest")
"""Options of `DataRecipe` that apply to labelled data alone."""

ASKS = "paraphrase"
"""The step that asks a chat server."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataRecipe(_Part):
    """Where the texts come from; the fields are the parameters of `understudy.data.load_dataset`.

    ``stream`` decides whether unlabelled and made texts stay on disk: ``true``, ``false``, or ``auto``. With
    ``auto`` they do where they are many and the recipe allows it (`Recipe.why_not_streamed`).
    """

    source: str | None = None
    kind: str | None = None
    unlabelled: tuple[str, ...] = ()
    text_column: str | tuple[str, ...] | None = None
    label_column: str | None = None
    labels: dict[str, str] | None = None
    label_separator: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    dev_fraction: float = Field(0.1, gt=0, lt=1)
    test_fraction: float = Field(0.1, gt=0, lt=1)
    metric: str | None = None
    bins: float | None = Field(None, gt=0)
    sample: int | None = Field(None, gt=0)
    rest: Literal["drop", "unlabelled"] = "drop"
    stream: bool | Literal["auto"] = "auto"

    @property
    def options(self) -> dict[str, Any]:
        """The parameters of `understudy.data.load_dataset`, except for the source."""
        return self.model_dump(exclude={"source", "stream"})

    @field_validator("labels", mode="before")
    @classmethod
    def _has_text_keys(cls, labels: object) -> object:
        """YAML reads the key 0 as a number; the labels in a file are texts."""
        return {str(raw): name for raw, name in labels.items()} if isinstance(labels, dict) else labels

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str | None) -> str | None:
        if metric is not None:
            check_choice("metric", metric, sorted({name for names in METRICS.values() for name in names}))
        return metric

    @field_validator("kind")
    @classmethod
    def _is_a_kind(cls, kind: str | None) -> str | None:
        if kind is not None:
            check_choice("kind of task", kind, KINDS)
        return kind


class TeacherRecipe(_Part):
    """The big model.

    Attributes:
        model: Folder, hub id or short name; several in a list, or with ``+`` between, are an ensemble.
        endpoint: A chat endpoint, in the place of a model.
        callable: ``module:function`` from texts to logits, in the place of a model.
        table: A file with an answer to each text, in the place of a model.
        mean: Whether an ensemble answers with the mean of its members' ``logits`` or ``probabilities``.
        labels: Names of the columns of a fine-tuned model or function that does not name them itself.
        precision: Precision in which it labels: ``float32``, ``bfloat16``, or ``auto``, which is bfloat16
            where the processor has instructions for it.
        trust_remote_code: Whether Python code that comes with a model may run; it can do whatever you can.
        method: How a bare encoder becomes a teacher: ``finetune``, ``frozen`` (a linear head on its
            embeddings), ``contrastive`` (the same after tuning by contrasts), or ``auto``, which compares
            them where labels are few, and else fine-tunes.
        finetune: How a bare encoder is fine-tuned.
    """

    model: str | tuple[str, ...] | None = DEFAULT
    endpoint: EndpointConfig | None = None
    callable: str | None = None
    table: TableConfig | None = None
    mean: Literal["logits", "probabilities"] = "logits"
    labels: tuple[str, ...] | None = None
    precision: str = "auto"
    trust_remote_code: bool = False
    method: Literal["auto", "frozen", "contrastive", "finetune"] = "auto"
    finetune: FinetuneConfig = FinetuneConfig()

    @model_validator(mode="before")
    @classmethod
    def _is_one_teacher(cls, tree: object) -> object:
        """Refuse two teachers; another kind of teacher takes the place of the default model."""
        if not isinstance(tree, dict):
            return tree
        if isinstance(tree.get("table"), str):
            tree = {**tree, "table": {"path": tree["table"]}}
        named = [name for name in ("model", *OUTSIDE) if tree.get(name) is not None]
        if len(named) > 1:
            raise ValueError(f"name one teacher, not {len(named)}: {', '.join(named)}.")
        return {**tree, "model": None} if named and named != ["model"] else tree

    @field_validator("model")
    @classmethod
    def _is_a_teacher(cls, model: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        try:
            resolve_all(DEFAULT if model is None else model)
        except UnderstudyError as error:
            raise ValueError(str(error)) from error
        return model

    @field_validator("precision")
    @classmethod
    def _is_known(cls, precision: str) -> str:
        check_choice("precision", precision, TEACHER_PRECISIONS)
        return precision

    @model_validator(mode="after")
    def _has_effect(self) -> TeacherRecipe:
        """Refuse options of fine-tuning that a linear head has no use for."""
        usual = FinetuneConfig()
        changed = [
            each.name
            for each in fields(usual)
            if getattr(self.finetune, each.name) != getattr(usual, each.name)
        ]
        check_unused(self.method, changed)
        return self


class Recipe(_Part):
    """Everything that decides what a run computes.

    Attributes:
        data: Texts and labels.
        teacher: The big model.
        students: Versioned names; the report ranks them; by default those of
            `understudy.core.configs.DEFAULT_STUDENTS` for the kind of task. A preset, sizes and options of
            training may follow a name: ``bilstm.v1:tang``, ``cbow.v1:width=32,pair=joint``.
        augment: Steps that make and filter texts, in order: names, or a name with its options.
        make_pool: Seconds that labelling a pool may take which rules make of the labelled texts, where there
            is no other text; ``none`` makes no pool. It is used only where dev is better with it.
        loss: What the students minimise; ``auto`` chooses on dev.
        training: How the students are trained.
        baseline: Whether a linear model is trained on the labelled texts, for comparison.
        quantize: Whether a student answers with an int8 graph: ``none``, never; ``auto``, where it is both
            faster on this machine and as good on dev; ``int8``, always.
        table: Type of the numbers in the word table of ``model.fast``: ``float32``, ``float16``, ``int8``, or
            ``auto`` for the smallest of these that is as good on dev.
        prune: Share of the rows of words and n-grams that a weighted bag keeps, those most frequent in train;
            ``auto`` for the smallest that is as good on dev, or ``none``.
        seed: Seed of every random choice.
    """

    data: DataRecipe = Field(default_factory=lambda: DataRecipe.model_validate({}))
    teacher: TeacherRecipe = TeacherRecipe()
    students: tuple[str, ...] = Field((), min_length=1)
    augment: tuple[str | dict[str, dict[str, Any] | None], ...] = ()
    make_pool: float | None = Field(300.0, gt=0, allow_inf_nan=False)
    loss: LossConfig = LossConfig(AUTO)
    training: TrainingConfig = TrainingConfig()
    baseline: bool = True
    quantize: Literal["none", "auto", "int8"] = "none"
    table: Literal["float32", "float16", "int8", "auto"] = "auto"
    prune: Literal["none", "auto"] | Annotated[float, Field(gt=0, le=1)] = "none"
    seed: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _lends_its_endpoint(cls, tree: object) -> object:
        """Let a step that asks a server, but names none, ask the one that teaches."""
        if not isinstance(tree, dict):
            return tree
        teacher, steps = tree.get("teacher"), tree.get("augment")
        lent = teacher.get("endpoint") if isinstance(teacher, dict) else None
        if isinstance(lent, EndpointConfig):
            lent = asdict(lent)
        if not isinstance(lent, dict) or not isinstance(steps, list | tuple):
            return tree
        return {**tree, "augment": tuple(_lent(step, lent) for step in steps)}

    @field_validator("make_pool", mode="before")
    @classmethod
    def _may_be_none(cls, seconds: object) -> object:
        """Read the word ``none``."""
        return None if seconds == "none" else seconds

    @field_validator("students")
    @classmethod
    def _are_students(cls, students: tuple[str, ...]) -> tuple[str, ...]:
        from understudy.students.registry import parse  # imports torch

        for name in students:
            TrainingConfig(**parse(name).options)  # the class checks its own values
        return tuple(dict.fromkeys(students))

    @field_validator("augment")
    @classmethod
    def _are_steps(
        cls, augment: tuple[str | dict[str, dict[str, Any] | None], ...]
    ) -> tuple[str | dict[str, dict[str, Any] | None], ...]:
        from understudy.augment import read_steps

        read_steps(augment)
        return augment

    @model_validator(mode="after")
    def _have_tables(self) -> Recipe:
        """Refuse a type of the word table for students that have none."""
        _check_tables(self)
        return self

    @model_validator(mode="after")
    def _can_be_honoured(self) -> Recipe:
        """Refuse combinations of options that do not work together."""
        if not self.loss.needs_teacher:
            raise RecipeError(
                "The loss 'gold' learns nothing from the teacher. Every run trains on gold labels too, "
                "for comparison; choose one of 'mse', 'kl', 'bce', 'hard'."
            )
        if self.loss.layers > 0.0 and not isinstance(self.teacher.model, str):
            raise RecipeError(
                "loss.layers needs a single transformer as the teacher, whose layers it compares with. Drop "
                "it, or name one model with teacher.model."
            )
        self._check_outside()
        self._check_data()

        if self.data.stream is True and self.why_not_streamed:
            raise RecipeError(f"data.stream: this pool cannot stream, for {self.why_not_streamed}.")
        if self.training.class_weights and self.loss.alpha == 0.0 and self.loss.name != AUTO:
            raise RecipeError(
                "training.class_weights weigh gold labels, but the loss has no gold part. Set loss.alpha, "
                "or weigh the teacher's labels: teacher.finetune.class_weights."
            )
        return self

    def settled(self, kind: str) -> Recipe:
        """The recipe with the usual students of a kind of task, where it names none.

        Raises:
            RecipeError: A student does not go with another key where it answers this kind of task.
        """
        update = {"students": DEFAULT_STUDENTS[kind]}
        settled = self if self.students else self.model_copy(update=update)
        _check_tables(settled, kind)
        return settled

    @property
    def why_not_streamed(self) -> str:
        """Why the pool must be in memory; empty where it may stay on disk."""
        from understudy.augment import read_steps
        from understudy.augment.registry import OF_ALL, RULES

        steps = read_steps(self.augment)
        others = [step.name for step in steps if step.spec.kind != RULES]

        reasons = {
            "a step starts from some of the texts only (of)": any(step.of != OF_ALL for step in steps),
            "the rest of a sample is kept in memory (data.rest)": self.data.rest == "unlabelled",
            f"the step {' and '.join(others)} needs all texts at once": bool(others),
            "the answers of an endpoint are bought with all texts at hand": self.teacher.endpoint is not None,
            "dev and test are drawn from all texts where there is no data.source": self.data.source is None,
            "sentences of words are tagged in memory": self.data.kind == "tagging",
        }
        return next((reason for reason, is_so in reasons.items() if is_so), "")

    def _check_outside(self) -> None:
        """Refuse options that only a local model can honour, where the teacher is not one."""
        if self.teacher.model is not None:
            return
        if self.training.vocabulary == "teacher":
            raise RecipeError(
                "training.vocabulary: this teacher has none to give. Choose words or wordpiece."
            )
        if self.training.embeddings in VECTORS_OF_TEACHER:
            raise RecipeError("training.embeddings: this teacher has no word vectors to give.")
        if self.teacher.finetune.class_weights:
            raise RecipeError("teacher.finetune: this teacher is not fine-tuned.")
        if self.teacher.method != "auto":
            raise RecipeError("teacher.method: this teacher is not made of an encoder. Drop it.")

    def _check_data(self) -> None:
        """Refuse a run without labelled data that needs some."""
        if self.data.source is not None:
            return
        if self.teacher.model is not None:
            raise RecipeError(
                "data: is missing. Give data.source. Only an endpoint, a function or a table can teach "
                "without labelled data, from data.unlabelled."
            )
        if not self.data.unlabelled:
            raise RecipeError("data: there are no texts. Give data.source, or data.unlabelled, or both.")

        defaults = DataRecipe.model_fields
        unused = [name for name in LABELLED if getattr(self.data, name) != defaults[name].default]
        if unused:
            raise RecipeError(
                f"data.{unused[0]} is about labelled data, but there is no data.source. Drop it."
            )
        if self.loss.alpha > 0.0:
            raise RecipeError("loss.alpha weighs gold labels, but a run without labelled data has none.")
        if self.training.class_weights:
            raise RecipeError(
                "training.class_weights weigh gold labels, but a run without labelled data has none."
            )


def _check_tables(recipe: Recipe, kind: str | None = None) -> None:
    """Refuse a type of the word table that a student, or its form, does not have.

    Args:
        recipe: All of it.
        kind: Kind of task, where it is known: C serves taggers where they tag, and others where they do not.

    Raises:
        RecipeError: The message names the students.
    """
    if recipe.table in ("float32", "auto"):
        return
    from understudy.students.registry import parse

    served = SERVED if kind is None else TAGGERS if kind == "tagging" else OF_TEXTS
    others = [name for name in recipe.students if parse(name).student not in served]
    if others:
        raise RecipeError(
            f"table: {recipe.table} is a form of model.fast, which {', '.join(served)} have, but not "
            f"{', '.join(others)}. Use auto: it leaves them as they are."
        )
    if recipe.quantize == "int8":
        raise RecipeError("quantize: int8 leaves out model.fast, so that table has no effect. Drop one.")


def _lent(step: object, endpoint: Mapping[str, object]) -> object:
    """The step with the endpoint's server, prices, budget and labels, if it asks a server and names none."""
    (name, options), *others = step.items() if isinstance(step, dict) and step else [(step, None)]
    options = {} if options is None else options
    if name != ASKS or others or not isinstance(options, dict) or {"base_url", "model"} & options.keys():
        return step

    # The length of an answer is not lent: a list of variants is longer than a label.
    lent = {field.name for field in fields(ServerConfig)} - {"max_tokens"} | {"labels"}
    return {name: {key: value for key, value in endpoint.items() if key in lent} | options}
