"""The verb ``buy``: labels in rounds, each batch chosen by the student of the last."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from understudy.cli.extras import need_training
from understudy.cli.options import run_folder


class Selection(StrEnum):
    """How the next batch is chosen."""

    uncertainty = "uncertainty"
    diversity = "diversity"
    random = "random"


def buy(  # noqa: PLR0917
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="Recipe in YAML, or the folder of an earlier run.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=run_folder, metavar="FOLDER", help="Folder of the run. [runs/NAME]"),
    ] = None,
    select: Annotated[
        Selection, typer.Option("--select", help="How the texts of the next round are chosen.")
    ] = Selection.uncertainty,
    batch: Annotated[
        int, typer.Option("--batch", min=1, metavar="TEXTS", help="Number of texts that a round labels.")
    ] = 200,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, metavar="COUNT", help="Number of rounds, at most.")
    ] = 5,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set any key of the recipe, such as --set seed=1."),
    ] = None,
) -> None:
    """After each round the first student of the recipe is fitted on all labels so far.

    Its score on dev is drawn against the labels bought: rounds/curve.png and rounds/curve.json in the run's
    folder.
    """
    need_training()
    from understudy.pipeline.recipe_file import make_recipe

    is_run = recipe.is_dir()
    resolved = make_recipe(recipe / "recipe.yaml" if is_run else recipe, None, assign or ())
    folder = out or (recipe if is_run else None)

    from understudy.cli.progress_bar import Terminal
    from understudy.pipeline.active_learning import buy_in_rounds

    done = buy_in_rounds(resolved, folder, how=select.value, batch=batch, rounds=rounds, progress=Terminal())
    for point in done.points:
        typer.echo(f"{point.labels:>8,} labels  {point.score:.4f}  {point.how}")
    typer.echo(f"Scores on {done.measured_on}.")
    typer.echo(f"{done.why} {done.remaining:,} texts are not labelled.")
    typer.echo(f"Curve: {done.folder / 'rounds' / 'curve.png'}")
    typer.echo(f"Next:  understudy distill {done.folder}   (labels the rest as far as the budget goes)")
