"""What the command line answers where the training extra is not installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from understudy.cli.verbs import BASE, EXIT_CODES, OTHERS, STAGES
from understudy.errors import MissingExtraError, RecipeError, nearest

TRAINING_MODULES = ("torch", "transformers", "datasets", "onnx", "pydantic", "yaml", "sklearn", "matplotlib")
"""What the verbs that train import."""

PARSING_MODULES = ("typer", "rich")
"""What their arguments are parsed with."""

INSTALL = "pip install 'understudy[train]'"


def need_training() -> None:
    """Refuse to start a verb that would miss a package after an hour.

    Raises:
        MissingExtraError: names what is missing.
    """
    from importlib.util import find_spec

    missing = [name for name in TRAINING_MODULES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"This command trains, and needs packages that are not installed: {', '.join(missing)}. "
            f"Install them with: {INSTALL}"
        )


def without_training(arguments: Sequence[str]) -> None:
    """Answer what is not a verb of the base install, where only that is installed.

    Raises:
        MissingExtraError: a verb that trains was asked for.
        RecipeError: there is no such verb or option.
    """
    first, trains = arguments[0], {**STAGES, **OTHERS}
    if first in trains and not {"-h", "--help"}.isdisjoint(arguments):
        sys.stdout.write(f"understudy {first}: {trains[first]}\nIt trains, and needs: {INSTALL}\n")
        return
    if first in trains:
        raise MissingExtraError(
            f"Only {' and '.join(BASE)} are installed. For {first!r} and every verb that trains: {INSTALL}"
        )
    if first not in ("-h", "--help"):
        what = "option" if first.startswith("-") else "verb"
        known = ("--help", "--version") if what == "option" else (*BASE, *trains)
        raise RecipeError(f"There is no {what} {first!r}. {nearest(first, known)}")

    sys.stdout.write("Usage: understudy VERB ...\n\n")
    sys.stdout.writelines(f"  {verb:<9}{about}\n" for verb, about in BASE.items())
    sys.stdout.write(f"\nThe verbs that train ({', '.join(trains)}): {INSTALL}\n")
    sys.stdout.write(f"Other options: --version, -h, --help.\n{EXIT_CODES}\n")
