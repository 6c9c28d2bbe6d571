"""The options that set keys of the recipe, in groups, and which verb reads which group."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from understudy.cli.verbs import STAGES
from understudy.errors import RecipeError


class Pair(StrEnum):
    """How a student reads two texts: in one with a separator, or apart.

    `understudy.core.configs.TrainingConfig.pair` says what each does.
    """

    joint = "joint"
    diffcat = "diffcat"
    compare = "compare"


@dataclass(frozen=True)
class Option:
    """An option of the command line that sets keys of the recipe.

    Attributes:
        names: as typed, such as ``--loss`` or ``--header/--no-header``.
        keys: keys of the recipe, with dots between, that get its value.
        about: sentences for ``--help``; the default is in brackets at the end.
        metavar: what stands for the value in ``--help``; a switch has none.
        kind: type of the value.
        read: turns what was typed into the value of the keys.
    """

    names: str
    keys: tuple[str, ...]
    about: str
    metavar: str = ""
    kind: object = str | None
    read: Callable[[Any], object] = lambda value: value

    @property
    def parameter(self) -> str:
        """Name of the parameter that holds it."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def flag(self) -> str:
        """Its first name, as messages show it."""
        return self.names.partition("/")[0]

    def declare(self, panel: str, *, is_hidden: bool) -> inspect.Parameter:
        """The parameter of a verb that holds it; ``None`` where it was not given."""
        default = typer.Option(
            None, self.names, help=self.about, metavar=self.metavar, rich_help_panel=panel, hidden=is_hidden
        )
        return inspect.Parameter(
            self.parameter, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=self.kind
        )


def _one_or_more(values: Sequence[str]) -> str | Sequence[str]:
    return values[0] if len(values) == 1 else values


DATA = (
    Option(
        "--unlabelled",
        ("data.unlabelled",),
        "File or glob of texts without labels. May be given several times.",
        "FILE",
        list[str] | None,
    ),
    Option(
        "--kind",
        ("data.kind",),
        "Kind of task: classification, pair, multilabel, regression or tagging. [guessed]",
        "KIND",
    ),
    Option(
        "--text-column",
        ("data.text_column",),
        "Column that holds the texts. Give it twice for pairs of texts. [guessed]",
        "COLUMN",
        list[str] | None,
        _one_or_more,
    ),
    Option("--label-column", ("data.label_column",), "Column that holds the labels. [guessed]", "COLUMN"),
    Option("--delimiter", ("data.delimiter",), "Character between two columns. [guessed]", "CHARACTER"),
    Option(
        "--header/--no-header",
        ("data.header",),
        "Whether line 1 names the columns. [guessed]",
        "",
        bool | None,
    ),
    Option(
        "--dev-fraction",
        ("data.dev_fraction",),
        "Share of the training texts that becomes the dev split if the data has none. [0.1]",
        "SHARE",
        float | None,
    ),
    Option(
        "--test-fraction",
        ("data.test_fraction",),
        "Share of the training texts that becomes the test split if the data has none. [0.1]",
        "SHARE",
        float | None,
    ),
    Option(
        "--metric",
        ("data.metric",),
        "Score of the task: accuracy, macro_f1, mcc, f1, accuracy_f1, micro_f1, pearson, spearman, "
        "pearson_spearman or span_f1. [by the kind of task]",
        "METRIC",
    ),
    Option(
        "--bins",
        ("data.bins",),
        "Width of the bins that a regression is cut into. [none: the value itself]",
        "WIDTH",
        float | None,
    ),
)

TEACHER = (
    Option(
        "--teacher",
        ("teacher.model",),
        "Folder, hub id or short name of the big model. Several make an ensemble. [minilm]",
        "MODEL",
        list[str] | None,
        _one_or_more,
    ),
    Option(
        "--teacher-labels",
        ("teacher.labels",),
        "Names of the teacher's outputs, in order, with commas between. [what the model says]",
        "NAMES",
        str | None,
        lambda names: names.split(","),
    ),
    Option(
        "--precision",
        ("teacher.precision", "teacher.finetune.precision"),
        "Precision of the teacher: float32, bfloat16, or auto: bfloat16 where the processor has it. [auto]",
        "PRECISION",
    ),
    Option(
        "--teacher-method",
        ("teacher.method",),
        "How an encoder becomes a teacher: finetune, frozen, contrastive, or auto: the best of them where "
        "labels are few. [auto]",
        "METHOD",
    ),
)

AUGMENTATION = (
    Option(
        "--augment",
        ("augment",),
        "A step that makes or filters texts, such as rules, mlm or balance. Several run in order. [none]",
        "STEP",
        list[str] | None,
    ),
    Option(
        "--make-pool",
        ("make_pool",),
        "Where there is no other text: seconds that labelling a pool may take, which rules make of the "
        "labelled texts; or none. It is used only where dev is better with it. [300]",
        "SECONDS",
    ),
)

TRAINING = (
    Option(
        "--student",
        ("students",),
        "A student to train. May be given several times; `understudy students` lists them. "
        "[linear.v1, cbow.v2, dan.v2 and kim-cnn.v1; for tagging window.v1:tagger]",
        "NAME",
        list[str] | None,
    ),
    Option(
        "--loss",
        ("loss.name",),
        "Loss of the students: mse, kl, bce or hard; auto chooses on dev. [auto]",
        "LOSS",
    ),
    Option(
        "--pair",
        ("training.pair",),
        "How students read two texts. [compare for linear.v1, cbow.v2 and dan.v2, joint for transformers, "
        "else diffcat]",
        "joint|diffcat|compare",
        Pair | None,
        lambda pair: pair.value,
    ),
    Option(
        "--vocabulary",
        ("training.vocabulary",),
        "Vocabulary of the students: words, wordpiece or teacher. [words]",
        "KIND",
    ),
    Option(
        "--embeddings",
        ("training.embeddings",),
        "What the word tables start from: a file of vectors, teacher, teacher-static or random. "
        "[teacher-static where dev is better with it, else random]",
        "START",
    ),
    Option(
        "--frozen/--trained",
        ("training.is_embedding_frozen",),
        "Whether the word tables keep what they start from. [trained]",
        "",
        bool | None,
    ),
)

EXPORT = (
    Option(
        "--quantize",
        ("quantize",),
        "Whether to use int8 graphs: none, int8, or auto, which takes one that is faster here and as good on "
        "dev. [none]",
        "FORM",
    ),
    Option(
        "--prune",
        ("prune",),
        "Share of the rows of words and n-grams that linear.v1, cbow.v2 and dan.v2 keep, the most frequent; "
        "auto, the smallest that is as good on dev; or none. [none]",
        "SHARE",
    ),
    Option(
        "--table",
        ("table",),
        "Precision of the word table in model.fast: float32, float16, int8, or auto, the smallest that is as "
        "good on dev. [auto]",
        "FORM",
    ),
)

RUN = (Option("--seed", ("seed",), "Seed of every random choice. [0]", "NUMBER", int | None),)

GROUPS: Mapping[str, tuple[Option, ...]] = {
    "Data": DATA,
    "Teacher": TEACHER,
    "Augmentation": AUGMENTATION,
    "Training": TRAINING,
    "Export": EXPORT,
    "Run": RUN,
}
"""Every option by the title of its group, in the order of the stages."""

FIRST_READER = {
    "Data": "finetune",
    "Teacher": "finetune",
    "Augmentation": "augment",
    "Training": "train",
    "Export": "export",
    "Run": "finetune",
}
"""The first stage that reads a group; those after it stand on its result, and read it too."""


def readers(group: str) -> tuple[str, ...]:
    """The verbs that read a group: `distill`, and its first reader with all stages after that."""
    stages = tuple(STAGES)[1:]
    return ("distill", *stages[stages.index(FIRST_READER[group]) :])


def parameters(verb: str) -> list[inspect.Parameter]:
    """A parameter for each option; those that the verb does not read are hidden, and refused by `flags`."""
    return [
        option.declare(group, is_hidden=verb not in readers(group))
        for group, options in GROUPS.items()
        for option in options
    ]


def flags(verb: str, values: Mapping[str, Any]) -> dict[str, object]:
    """Recipe key → value, for the options that were given.

    Args:
        verb: a stage.
        values: parameter → value; ``None`` was not given.

    Raises:
        RecipeError: an option that only later stages read.
    """
    found: dict[str, object] = {}
    for group, options in GROUPS.items():
        for option in options:
            value = values.get(option.parameter)
            if value is None:
                continue
            if verb not in readers(group):
                raise RecipeError(
                    f"`understudy {verb}` does not read {option.flag}. These do: {', '.join(readers(group))}."
                )
            found.update(dict.fromkeys(option.keys, option.read(value)))
    return found


def run_folder(name: str) -> Path:
    """The folder of a run; an empty name, such as that of a variable that is not set, is a mistake."""
    if not name.strip():
        raise typer.BadParameter("the name is empty. Name a folder, or leave the option out.")
    return Path(name)
