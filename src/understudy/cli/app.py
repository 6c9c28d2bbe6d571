"""The whole command line: parse, call one function, print. `verbs.py` holds what needs no training extra."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from understudy.cli import predict as verbs
from understudy.cli.buy import buy
from understudy.cli.extras import _need_training
from understudy.errors import RecipeError

if TYPE_CHECKING:
    from understudy.pipeline.result import Result

app = typer.Typer(
    name="understudy",
    help="Distil a big text model into a tiny one, see how good it is, and run it without torch.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # what stands in brackets is text: the defaults
    pretty_exceptions_enable=False,
)


TABLE_WIDTH = 110
"""Columns of the table where standard output is a file."""


class Pair(StrEnum):
    """How a student reads two texts: in one with a separator, or each by itself."""

    joint = "joint"
    diffcat = "diffcat"


Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="A folder with train/dev/test files, one file, a set of the catalogue (sst2, rte, stsb, …), "
        "bundled:concierge, hub:owner/name, or the folder of an earlier run (its recipe is used again). "
        "May stand in a recipe instead.",
    ),
]
Student = Annotated[
    list[str] | None, typer.Option("--student", help="A student to train; may be given several times.")
]
TeacherOption = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher", help="Folder, hub id or short name of the big model; several make an ensemble. [minilm]"
    ),
]
TeacherLabels = Annotated[
    str | None,
    typer.Option("--teacher-labels", help="Names of the teacher's columns, in order, with commas between."),
]
Unlabelled = Annotated[
    list[str] | None,
    typer.Option("--unlabelled", help="File or glob of texts without labels; may be given several times."),
]
Augment = Annotated[
    list[str] | None,
    typer.Option(
        "--augment", help="A step that makes or filters texts (rules, mlm, balance, …); several in order."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the run. [runs/NAME]")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="YAML file; flags go over it.")]
Assign = Annotated[
    list[str] | None, typer.Option("--set", help="Any key of the recipe, e.g. --set training.epochs=5.")
]
Kind = Annotated[
    str | None,
    typer.Option("--kind", help="classification, pair, multilabel, regression or tagging. [guessed]"),
]
TextColumn = Annotated[
    list[str] | None,
    typer.Option("--text-column", help="Column with the texts; given twice for pairs. [guessed]"),
]
Bins = Annotated[
    float | None, typer.Option("--bins", help="Width of the bins of a regression. [none: the value itself]")
]
PairOption = Annotated[
    Pair | None,
    typer.Option("--pair", help="How students read two texts. [joint for transformers, else diffcat]"),
]
LabelColumn = Annotated[str | None, typer.Option("--label-column", help="Column with the labels. [guessed]")]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Between columns. [guessed]")]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether line 1 names columns. [guessed]")
]
DevFraction = Annotated[
    float | None, typer.Option("--dev-fraction", help="Share of train that becomes dev if there is none.")
]
TestFraction = Annotated[
    float | None, typer.Option("--test-fraction", help="Share of train that becomes test if there is none.")
]
Metric = Annotated[
    str | None,
    typer.Option("--metric", help="accuracy, macro_f1, mcc, micro_f1, pearson, spearman or span_f1."),
]
Loss = Annotated[str | None, typer.Option("--loss", help="mse, kl, bce or hard.")]
VocabularyOption = Annotated[
    str | None, typer.Option("--vocabulary", help="Of the students: words, wordpiece or teacher. [words]")
]
Embeddings = Annotated[
    str | None,
    typer.Option(
        "--embeddings", help="Start of the word tables: a file of vectors, teacher, teacher-static. [random]"
    ),
]
Frozen = Annotated[
    bool | None, typer.Option("--frozen/--trained", help="Whether word tables keep their start. [trained]")
]
Precision = Annotated[
    str | None,
    typer.Option("--precision", help="Of the teacher: float32, or bfloat16 where the CPU has it (faster)."),
]
QuantizeOption = Annotated[
    str | None,
    typer.Option("--quantize", help="int8 graphs: none, int8, auto (where faster here, as good on dev)."),
]
TableOption = Annotated[
    str | None,
    typer.Option("--table", help="Words in model.fast: float32, float16, int8, auto (smallest, as good)."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what endpoints would be asked and what it may cost, and end.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of every random choice.")]


def _verb(stage: str, about: str) -> None:
    """Add a verb that does the stages of a run up to ``stage``."""

    def command(  # noqa: PLR0917
        data: Data = None,
        student: Student = None,
        teacher: TeacherOption = None,
        kind: Kind = None,
        teacher_labels: TeacherLabels = None,
        unlabelled: Unlabelled = None,
        augment: Augment = None,
        out: Out = None,
        recipe: RecipeFile = None,
        assign: Assign = None,
        text_column: TextColumn = None,
        label_column: LabelColumn = None,
        delimiter: Delimiter = None,
        header: Header = None,
        dev_fraction: DevFraction = None,
        test_fraction: TestFraction = None,
        metric: Metric = None,
        bins: Bins = None,
        pair: PairOption = None,
        loss: Loss = None,
        vocabulary: VocabularyOption = None,
        embeddings: Embeddings = None,
        frozen: Frozen = None,
        precision: Precision = None,
        quantize: QuantizeOption = None,
        table: TableOption = None,
        seed: Seed = None,
        dry_run: DryRun = False,
    ) -> None:
        earlier = Path(data) / "recipe.yaml" if data else None
        is_run = earlier is not None and earlier.is_file()
        flags = {
            "data.source": None if is_run else data,
            "data.unlabelled": unlabelled,
            "augment": augment,
            "data.kind": kind,
            "data.text_column": _one_or_more(text_column),
            "data.label_column": label_column,
            "data.delimiter": delimiter,
            "data.header": header,
            "data.dev_fraction": dev_fraction,
            "data.test_fraction": test_fraction,
            "data.metric": metric,
            "data.bins": bins,
            "students": student,
            "teacher.model": _one_or_more(teacher),
            "teacher.labels": teacher_labels.split(",") if teacher_labels else None,
            "teacher.precision": precision,
            "teacher.finetune.precision": precision,
            "loss.name": loss,
            "training.vocabulary": vocabulary,
            "training.embeddings": embeddings,
            "training.is_embedding_frozen": frozen,
            "training.pair": pair.value if pair else None,
            "quantize": quantize,
            "table": table,
            "seed": seed,
        }
        if is_run and recipe is not None:
            raise RecipeError(f"{data} has a recipe of its own. Give a run or --recipe, not both.")
        file = earlier if is_run else recipe
        folder = out or (earlier.parent if earlier and is_run else None)
        if dry_run:
            _need_training()
            from understudy.pipeline.dry_run import dry_run as estimated

            typer.echo(estimated(file, flags, assign or (), folder))
            return
        _run(stage, file, flags, assign or (), folder)

    command.__doc__ = about
    app.command(name="distill" if stage == "all" else stage)(command)


def _run(
    stage: str, file: Path | None, flags: dict[str, Any], assign: Sequence[str], out: Path | None
) -> None:
    _need_training()
    from understudy.cli.progress_bar import Terminal
    from understudy.pipeline.distillation import distill
    from understudy.pipeline.recipe_file import make_recipe

    until = "report" if stage == "all" else stage
    made = make_recipe(file, flags, assign)
    result = distill(recipe=made, out=out, until=until, progress=Terminal())
    if stage == "augment":
        _print_pool(result.folder)
    _print_result(result)


def _print_pool(folder: Path) -> None:
    from understudy.augment.charts import PAGE
    from understudy.augment.terminal import tables
    from understudy.pipeline.stages.augment import inspect

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    console.print(tables(inspect(folder)))
    console.print(f"\nPage: {folder / 'augment' / PAGE}", markup=False)


def _print_result(result: Result) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    if result.report is None:
        console.print(f"Done: {result.folder}", markup=False)
        return
    from understudy.report.record import ReportDocument
    from understudy.report.terminal import table

    console.print(table(ReportDocument.from_dict(result.report)))
    console.print(f"\nReport: {result.html}", markup=False)
    for name, folder in result.models.items():
        console.print(f"Model:  {folder}  ({name})", markup=False)
    best, name_of = result.best, {folder: name for name, folder in result.models.items()}
    example = "$'...\\t...'" if result.report["task"]["texts"] == 2 else '"..."'
    console.print(f"Try it: understudy predict {shlex.quote(str(best))} {example}", markup=False)
    console.print(
        "Next, with your own file: understudy distill your.csv --unlabelled more.txt --student "
        + name_of[best],
        markup=False,
    )


_verb("all", "Do everything: data, teacher, soft targets, students, export, evaluation, report.")
_verb("finetune", "Read the data and fine-tune the teacher.")
_verb("augment", "… and make further texts (--augment), filter them, and show what came of it.")
_verb("label", "… and show the teacher every text of the transfer set once.")
_verb("train", "… and train the students on its soft targets.")
_verb("export", "… and write each student as a folder that answers without torch.")
_verb("evaluate", "… and judge and time everything on the test split.")
_verb("report", "… and write the report (the same as distill).")


app.command()(buy)


_AS_GIVEN = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Context of a verb of the base install, which parses its arguments by itself (`verbs.py`)."""


@app.command(context_settings=_AS_GIVEN, add_help_option=False)
def predict(context: typer.Context) -> None:
    """Answer texts with an exported student. Needs no torch."""
    verbs.predict(context.args)


@app.command(context_settings=_AS_GIVEN, add_help_option=False)
def info(context: typer.Context) -> None:
    """Say which version this is and what is installed beside it."""
    verbs.info(context.args)


pool = typer.Typer(help="Look at the texts that students learn from.", no_args_is_help=True)
app.add_typer(pool, name="pool")


@pool.command(name="inspect")
def inspect_pool(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Draw it: .png, .svg or .pdf.")
    ] = None,
) -> None:
    """What each step made and removed, lengths, label balance, ten survivors and ten victims."""
    _need_training()
    _print_pool(folder)
    if picture is not None:
        from understudy.augment.charts import save_picture
        from understudy.pipeline.stages.augment import inspect

        save_picture(inspect(folder), picture)


@app.command()
def students(
    vocabulary_size: Annotated[int | None, typer.Option("--vocab-size", min=10)] = None,
    labels: Annotated[int, typer.Option("--labels", min=1)] = 2,
    head: Annotated[
        str | None, typer.Option("--head", help="Of the matrix students: linear, mlp, cnn, bilstm.")
    ] = None,
    pair: Annotated[Pair, typer.Option("--pair", help="How two texts are read.")] = Pair.joint,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List every student with its number of parameters."""
    _need_training()
    from understudy.students.registry import listing

    rows = listing(labels, vocabulary_size, head, "diffcat" if pair is Pair.diffcat else "text")
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        console.print_json(json.dumps(rows))
        return
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    columns = (Column(name, no_wrap=True) for name in ("name", "parameters", "vocabulary", "kinds of task"))
    table = Table(*columns, "source", box=None)
    for row in rows:
        refused = [kind for kind, answer in row["kinds"].items() if answer is not True]
        kinds = f"all but {', '.join(refused)}" if refused else "all"
        cells = (f"{row['parameters']:,}", f"{row['vocabulary_size']:,}", kinds, row["source"])
        table.add_row(row["name"], *cells)
        for preset, facts in row["presets"].items():
            sizes = ", ".join(f"{size} {value}" for size, value in facts["sizes"].items())
            table.add_row(f"  {preset}", f"{facts['parameters']:,}", "", "", sizes or "the sizes above")
    console.print(table)
    for reason in (answer for row in rows for answer in row["kinds"].values() if answer is not True):
        console.print(reason, markup=False)


def _one_or_more(values: list[str] | None) -> str | list[str] | None:
    return values[0] if values and len(values) == 1 else values


def main() -> None:
    """Run the command line; `__main__` calls this, and tells errors.

    Threads of torch that wait for each other spin for a short while, then sleep: on a machine that other work
    shares, spinning on made fine-tuning three to seven times slower; never spinning halves an LSTM's speed.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    app(standalone_mode=True)
