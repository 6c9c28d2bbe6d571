"""The command line: parse, call one function, print."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from understudy._version import __version__
from understudy.errors import DataError, MissingExtraError, RecipeError, UnderstudyError
from understudy.quick import text_line

if TYPE_CHECKING:
    from understudy.pipeline import Result

app = typer.Typer(
    name="understudy",
    help="Distil a big text model into a tiny one, see how good it is, and run it without torch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

TRAINING_MODULES = ("torch", "transformers", "datasets", "onnx", "pydantic", "yaml", "sklearn", "matplotlib")

TABLE_WIDTH = 110
"""Columns of the table where standard output is a file."""

CHUNK = 4096
"""Lines that `predict` answers at once."""


class Pair(StrEnum):
    """How a student reads two texts: in one with a separator, or each by itself."""

    joint = "joint"
    diffcat = "diffcat"


class Form(StrEnum):
    """What `predict` writes."""

    text = "text"
    jsonl = "jsonl"
    csv = "csv"


Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="A folder with train/dev/test files, one file, a set of the catalogue (sst2, emotion, cola), "
        "bundled:concierge, hub:owner/name, or the folder of an earlier run (its recipe is used again). "
        "May stand in a recipe instead.",
    ),
]
Student = Annotated[
    list[str] | None, typer.Option("--student", help="A student to train; may be given several times.")
]
TeacherOption = Annotated[
    str | None, typer.Option("--teacher", help="Folder, hub id or short name of the big model. [minilm]")
]
TeacherLabels = Annotated[
    str | None,
    typer.Option("--teacher-labels", help="Names of the teacher's columns, in order, with commas between."),
]
Unlabelled = Annotated[
    list[str] | None,
    typer.Option("--unlabelled", help="File or glob of texts without labels; may be given several times."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the run. [runs/NAME]")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="YAML file; flags go over it.")]
Assign = Annotated[
    list[str] | None, typer.Option("--set", help="Any key of the recipe, e.g. --set training.epochs=5.")
]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="Column with the texts. [guessed]")]
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
Metric = Annotated[str | None, typer.Option("--metric", help="accuracy, macro_f1 or mcc.")]
Loss = Annotated[str | None, typer.Option("--loss", help="mse, kl or hard.")]
VocabularyOption = Annotated[
    str | None, typer.Option("--vocabulary", help="Of the students: words, wordpiece or teacher. [words]")
]
Precision = Annotated[
    str | None,
    typer.Option("--precision", help="Of the teacher: float32, or bfloat16 where the CPU has it (faster)."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of every random choice.")]


def _verb(stage: str, about: str) -> None:
    """Add a verb that does the stages of a run up to ``stage``."""

    def command(  # noqa: PLR0917
        data: Data = None,
        student: Student = None,
        teacher: TeacherOption = None,
        teacher_labels: TeacherLabels = None,
        unlabelled: Unlabelled = None,
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
        loss: Loss = None,
        vocabulary: VocabularyOption = None,
        precision: Precision = None,
        seed: Seed = None,
    ) -> None:
        earlier = Path(data) / "recipe.yaml" if data else None
        is_run = earlier is not None and earlier.is_file()
        flags = {
            "data.source": None if is_run else data,
            "data.unlabelled": unlabelled,
            "data.text_column": text_column,
            "data.label_column": label_column,
            "data.delimiter": delimiter,
            "data.header": header,
            "data.dev_fraction": dev_fraction,
            "data.test_fraction": test_fraction,
            "data.metric": metric,
            "students": student,
            "teacher.model": teacher,
            "teacher.labels": teacher_labels.split(",") if teacher_labels else None,
            "teacher.precision": precision,
            "teacher.finetune.precision": precision,
            "loss.name": loss,
            "training.vocabulary": vocabulary,
            "seed": seed,
        }
        if is_run and recipe is not None:
            raise RecipeError(f"{data} has a recipe of its own. Give a run or --recipe, not both.")
        file = earlier if is_run else recipe
        _run(stage, file, flags, assign or (), out or (earlier.parent if earlier and is_run else None))

    command.__doc__ = about
    app.command(name="distill" if stage == "all" else stage)(command)


def _run(
    stage: str, file: Path | None, flags: dict[str, Any], assign: Sequence[str], out: Path | None
) -> None:
    _need_training()
    from understudy.pipeline import distill
    from understudy.progress import Terminal
    from understudy.recipe import make_recipe

    until = "report" if stage == "all" else stage
    made = make_recipe(file, flags, assign)
    _print_result(distill(recipe=made, out=out, until=until, progress=Terminal()))


def _print_result(result: Result) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    if result.report is None:
        console.print(f"Done: {result.folder}", markup=False)
        return
    from understudy.report.terminal import table

    console.print(table(result.report))
    console.print(f"\nReport: {result.html}", markup=False)
    for name, folder in result.models.items():
        console.print(f"Model:  {folder}  ({name})", markup=False)
    best = result.best
    console.print(f'Try it: understudy predict {best} "..."', markup=False)
    console.print(
        f"Next, with your own file: understudy distill your.csv --unlabelled more.txt --student {best.name}",
        markup=False,
    )


_verb("all", "Do everything: data, teacher, soft targets, students, export, evaluation, report.")
_verb("finetune", "Read the data and fine-tune the teacher.")
_verb("label", "… and show the teacher every text of the transfer set once.")
_verb("train", "… and train the students on its soft targets.")
_verb("export", "… and write each student as a folder that answers without torch.")
_verb("evaluate", "… and judge and time everything on the test split.")
_verb("report", "… and write the report (the same as distill).")


@app.command()
def predict(  # noqa: PLR0917
    folder: Annotated[Path, typer.Argument(help="Folder of an exported student.")],
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; none reads standard input.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="File with one text a line.")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="File to write. [standard output]")] = None,
    form: Annotated[Form, typer.Option("--format", help="What to write.")] = Form.text,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of one call.")] = 1,
) -> None:
    """Answer texts with an exported student. Needs no torch."""
    from understudy.runtime import load

    if texts and file:
        raise RecipeError("Give texts or --file, not both.")
    model = load(folder, threads=threads)
    chunks = _chunks(texts if texts else _lines(file))
    answered = ((chunk, model.predict_proba(chunk)) for chunk in chunks)
    written = (
        line
        for chunk, rows in answered
        for line in _written(form, chunk, rows.tolist(), list(model.task.labels))
    )
    if form is Form.csv:
        head = _csv_line(["text", "label", *model.task.labels])
        written = (line for part in ([head], written) for line in part)
    if output is None:
        sys.stdout.writelines(written)
    else:
        with output.open("w", encoding="utf-8", newline="") as out:
            out.writelines(written)


@app.command()
def students(
    vocabulary_size: Annotated[int | None, typer.Option("--vocab-size", min=10)] = None,
    labels: Annotated[int, typer.Option("--labels", min=1)] = 2,
    head: Annotated[str | None, typer.Option("--head", help="Of the matrix students: linear, mlp.")] = None,
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
    table = Table("name", "parameters", "vocabulary", "tags words", "source", box=None)
    for row in rows:
        cells = (f"{row['parameters']:,}", f"{row['vocabulary_size']:,}", "yes" if row["tags_words"] else "")
        table.add_row(row["name"], *cells, row["source"])
    console.print(table)


@app.command()
def info() -> None:
    """Say which version this is and what is installed beside it."""
    from dataclasses import asdict

    from understudy.evaluation.machine import describe_machine
    from understudy.runtime.fast import status

    facts = {"understudy": __version__, "fast_path": asdict(status()), **describe_machine(1)}
    Console(highlight=False).print_json(json.dumps(facts))


def _lines(file: Path | None) -> Iterator[str]:
    name = "standard input" if file is None else str(file)
    try:
        with io.open(sys.stdin.fileno() if file is None else file, "rb", closefd=file is not None) as stream:  # noqa: UP020
            for number, raw in enumerate(stream, start=1):
                try:
                    yield raw.decode("utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    byte = raw[error.start]
                    raise UnderstudyError(
                        f"{name}, line {number}: byte 0x{byte:02x} is not UTF-8."
                    ) from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from error


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _written(
    form: Form, texts: Sequence[str], rows: Sequence[Sequence[float]], labels: Sequence[str]
) -> Iterator[str]:
    for text, row in zip(texts, rows, strict=True):
        best = labels[max(range(len(row)), key=row.__getitem__)]
        if form is Form.text:
            yield text_line(text, labels, row)
        elif form is Form.jsonl:
            found = {label: round(share, 6) for label, share in zip(labels, row, strict=True)}
            yield json.dumps({"text": text, "label": best, "probabilities": found}, ensure_ascii=False) + "\n"
        else:
            yield _csv_line([text, best, *(f"{share:.6f}" for share in row)])


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _need_training() -> None:
    from importlib.util import find_spec

    missing = [name for name in TRAINING_MODULES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"This command trains, and needs packages that are not installed: {', '.join(missing)}. "
            "Install them with: pip install 'understudy[train]'"
        )


def main() -> None:
    """Run the command line; errors of ours are one message on standard error and exit code 2.

    Threads of torch that wait for each other spin for a short while, then sleep: on a machine that other work
    shares, spinning on made fine-tuning three to seven times slower; never spinning halves an LSTM's speed.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    try:
        app(standalone_mode=True)
    except UnderstudyError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(2) from None
    except BrokenPipeError:
        raise SystemExit(0) from None


if __name__ == "__main__":
    main()
