"""The whole command line: parse, call one function, print."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from understudy.cli import predict as base
from understudy.cli.buy import buy
from understudy.cli.errors import stop_on_signals
from understudy.cli.extras import need_training
from understudy.cli.options import Pair, flags, parameters, run_folder
from understudy.cli.results import print_pool, print_result, print_students
from understudy.cli.verbs import BASE, EXIT_CODES, OTHERS, RESUMING, STAGES
from understudy.errors import RecipeError


class Verb(TyperCommand):
    """A command whose help names no type behind an option that takes no value, such as ``--help``."""

    def get_params(self, ctx: Any) -> Any:
        """Its arguments and options."""
        return _switches_without_type(super().get_params(ctx))


class Verbs(TyperGroup):
    """The same of several commands."""

    def get_params(self, ctx: Any) -> Any:
        """Its arguments and options."""
        return _switches_without_type(super().get_params(ctx))


def _switches_without_type(parameters: Any) -> Any:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


CONTEXT = {"help_option_names": ["-h", "--help"]}

AS_TYPED = {**CONTEXT, "allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Context of a verb of the base install, which parses its arguments by itself (`predict.py`)."""

app = typer.Typer(
    name="understudy",
    cls=Verbs,
    help="Distil a big text model into a tiny one, see how good it is, and run it without torch.",
    epilog=f"`understudy help VERB` shows what a verb takes. {EXIT_CODES}",
    context_settings=CONTEXT,
    rich_markup_mode="markdown",  # text in brackets is shown as it is: the defaults
    pretty_exceptions_enable=False,
)

Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="A folder with train/dev/test files, one file, a set of the catalogue (sst2, rte, stsb, …), "
        "bundled:concierge, hub:owner/name, or the folder of an earlier run (its recipe is used again). "
        "Can be set in a recipe instead.",
    ),
]


Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        parser=run_folder,
        metavar="FOLDER",
        help="Folder of the run. [runs/NAME]",
        rich_help_panel="Run",
    ),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        metavar="FILE",
        help="Recipe in YAML. Command-line options override it.",
        rich_help_panel="Run",
    ),
]
Assign = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set any key of the recipe, such as --set training.epochs=5. May be given several times.",
        rich_help_panel="Run",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say what endpoints would be asked and what that may cost, then end.",
        rich_help_panel="Run",
    ),
]


@app.callback(invoke_without_command=True)
def understudy(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """Print the version, or the help where no verb was given."""
    if version:
        base.print_version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _add_stage(verb: str, about: str) -> None:
    """Add a verb that does the stages of a run up to the one that it is named after."""

    def command(
        data: str | None,
        out: Path | None,
        recipe: Path | None,
        assign: list[str] | None,
        *,
        dry_run: bool,
        **values: Any,
    ) -> None:
        file, folder = _recipe_and_folder(data, recipe, out)
        source = {} if data is None or file == Path(data) / "recipe.yaml" else {"data.source": data}
        _run(verb, file, {**source, **flags(verb, values)}, assign or (), folder, is_dry=dry_run)

    command.__doc__ = about
    _set_parameters(command, verb)
    app.command(name=verb, cls=Verb, context_settings=CONTEXT)(command)


def _set_parameters(command: Callable[..., None], verb: str) -> None:
    """Give a stage's command the parameters that the library reads its options from."""
    common = {"data": Data, "out": Out, "recipe": RecipeFile, "assign": Assign, "dry_run": DryRun}
    listed = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name == "dry_run" else None,
            annotation=annotation,
        )
        for name, annotation in common.items()
    ]
    listed[1:1] = parameters(verb)  # behind DATA: groups show in the order of the stages, Run last

    command.__signature__ = inspect.Signature(listed)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in listed}


def _recipe_and_folder(
    data: str | None, recipe: Path | None, out: Path | None
) -> tuple[Path | None, Path | None]:
    """The file of the recipe and the folder of the run, where DATA may be an earlier run with both."""
    earlier = Path(data) / "recipe.yaml" if data else None
    if earlier is None or not earlier.is_file():
        return recipe, out
    if recipe is not None:
        raise RecipeError(f"{data} has a recipe of its own. Give a run or --recipe, not both.")
    return earlier, out or earlier.parent


def _run(
    verb: str,
    file: Path | None,
    given: Mapping[str, object],
    assignments: Sequence[str],
    out: Path | None,
    *,
    is_dry: bool,
) -> None:
    need_training()
    from understudy.pipeline.recipe_file import make_recipe

    recipe = make_recipe(file, given, assignments)  # before what imports torch: mistakes are reported at once
    if is_dry:
        from understudy.pipeline.dry_run import dry_run

        typer.echo(dry_run(file, given, assignments, out))
        return

    from understudy.cli.progress_bar import Terminal

    terminal = Terminal()
    if recipe.data.source is not None:
        terminal.say(f"Reading {recipe.data.source} …")  # big files, and the import of torch, take seconds
    from understudy.pipeline.distillation import distill

    until = "report" if verb == "distill" else verb
    result = distill(recipe=recipe, out=out, until=until, progress=terminal)
    if verb == "augment":
        print_pool(result.folder)
    print_result(result)


for _verb, _about in STAGES.items():
    _add_stage(_verb, _about)

app.command(cls=Verb, context_settings=CONTEXT, help=f"{OTHERS['buy']}\n\n{inspect.getdoc(buy)}")(buy)


@app.command(cls=Verb, context_settings=AS_TYPED, add_help_option=False, help=BASE["predict"])
def predict(context: typer.Context) -> None:
    """Hand the arguments to the parser of the base install."""
    base.predict(context.args)


@app.command(cls=Verb, context_settings=AS_TYPED, add_help_option=False, help=BASE["info"])
def info(context: typer.Context) -> None:
    """Hand the arguments to the parser of the base install."""
    base.info(context.args)


pool = typer.Typer(cls=Verbs, help=OTHERS["pool"], no_args_is_help=True, context_settings=CONTEXT)
app.add_typer(pool, name="pool")


@pool.command(name="inspect", cls=Verb, context_settings=CONTEXT)
def inspect_pool(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="FILE", help="Also draw it to this .png, .svg or .pdf file."),
    ] = None,
) -> None:
    """Show what each step made and removed: lengths, label balance, ten texts kept and ten removed."""
    need_training()
    print_pool(folder)
    if picture is not None:
        from understudy.augment.charts import save_picture
        from understudy.pipeline.stages.augment import inspect as inspect_run

        save_picture(inspect_run(folder), picture)


@app.command(cls=Verb, context_settings=CONTEXT, help=OTHERS["students"])
def students(
    vocabulary_size: Annotated[
        int | None,
        typer.Option(
            "--vocab-size", min=10, metavar="ENTRIES", help="Size of the vocabulary. [each student's own]"
        ),
    ] = None,
    labels: Annotated[int, typer.Option("--labels", min=1, metavar="COUNT", help="Number of labels.")] = 2,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="KIND",
            help="Head of the matrix students: linear, mlp, cnn or bilstm. [each student's own]",
        ),
    ] = None,
    pair: Annotated[Pair, typer.Option("--pair", help="How two texts are read.")] = Pair.joint,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List every student with its number of parameters."""
    need_training()
    from understudy.students.registry import listing

    rows = listing(labels, vocabulary_size, head, "text" if pair is Pair.joint else pair.value)
    if as_json:
        Console(highlight=False, soft_wrap=True).print_json(json.dumps(rows))
    else:
        print_students(rows)


def main(arguments: Sequence[str]) -> None:
    """Run the command line; `__main__` calls this, and turns errors into messages.

    Threads of torch that wait for each other spin for a short while, then sleep: on a machine that other work
    shares, spinning on made fine-tuning three to seven times slower; never spinning halves an LSTM's speed.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    stop_on_signals(resumes=next(iter(arguments), "") in RESUMING)
    app(args=list(arguments), prog_name="understudy")
