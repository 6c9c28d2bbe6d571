"""The verbs of the base install, `predict` and `info`: they need numpy and ONNX Runtime alone.

`cli.py` adds the verbs that train, with packages of the training extra.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from understudy._version import __version__
from understudy.errors import MissingExtraError, RecipeError

FORMS = ("text", "jsonl", "csv")
"""What `predict` writes."""

TRAINING = ("typer", "rich")
"""Packages that the other verbs are parsed and shown with."""


def main(arguments: Sequence[str]) -> bool:
    """Do what the arguments say, where that is a verb of the base install; else nothing, and say ``False``.

    Args:
        arguments: of the command line, without the program's name.
    """
    if not arguments or arguments[0] not in VERBS:
        return False
    VERBS[arguments[0]](arguments[1:])
    return True


def predict(arguments: Sequence[str]) -> None:
    """Answer texts with an exported student. Needs no torch.

    Two texts that belong together stand in one argument or line, with a tab between.
    """
    parser = _parser("predict", predict.__doc__)
    parser.add_argument("folder", type=Path, help="of an exported student")
    parser.add_argument("texts", nargs="*", help="texts; none reads standard input")
    parser.add_argument("--file", type=Path, help="file with one text a line; a table needs --column")
    parser.add_argument(
        "--column",
        action="append",
        help="column of the texts in a CSV, TSV or JSON lines file; twice for pairs",
    )
    parser.add_argument("--output", type=Path, help="file to write [standard output]")
    parser.add_argument("--format", choices=FORMS, default="text", help="what to write [text]")
    parser.add_argument("--threads", type=int, default=1, help="threads of one call [1]")
    given = parser.parse_intermixed_args(arguments)
    if given.threads < 1:
        parser.error(f"argument --threads: {given.threads} is less than 1")
    _predict(given)


def _predict(given: Namespace) -> None:
    from understudy.cli.answers import write_answers
    from understudy.runtime import load

    if given.texts and given.file:
        raise RecipeError("Give texts or --file, not both.")
    if _is_same(given.file, given.output):
        raise RecipeError(f"--output is the file that is read, {given.file}. Name another.")
    _check_columns(given)
    model = load(given.folder, threads=given.threads)
    if given.column and len(given.column) != model.task.texts:
        said = "2 texts: give --column twice" if model.task.texts == 2 else "1 text: give --column once"
        raise RecipeError(f"This model reads {said}.")
    write_answers(model, given.texts or _lines(given), given.format, given.output)


def _check_columns(given: Namespace) -> None:
    from understudy.cli.answers import TABLES

    is_table = given.file is not None and given.file.suffix.lower() in TABLES
    if is_table and not given.column:
        raise RecipeError(
            f"{given.file} is a table. Say which column holds the texts, such as --column text; or send it "
            "to standard input to have each line answered as it stands."
        )
    if given.column and not is_table:
        raise RecipeError(f"--column is for a --file that ends in {', '.join(TABLES)}.")


def _lines(given: Namespace) -> Iterator[str]:
    from understudy.cli.answers import read_lines, read_table

    return read_table(given.file, given.column) if given.column else read_lines(given.file)


def _is_same(file: Path | None, output: Path | None) -> bool:
    if file is None or output is None:
        return False
    return file.exists() and output.exists() and file.samefile(output)


def info(arguments: Sequence[str]) -> None:
    """Say which version this is and what is installed beside it."""
    _parser("info", info.__doc__).parse_args(arguments)
    from understudy.evaluation.machine import describe_machine
    from understudy.runtime.fast import status

    facts = {"understudy": __version__, "fast_path": asdict(status()), **describe_machine(1)}
    sys.stdout.write(json.dumps(facts, indent=2) + "\n")


VERBS = {"predict": predict, "info": info}


def _parser(verb: str, about: str | None) -> ArgumentParser:
    return ArgumentParser(
        prog=f"understudy {verb}",
        description="\n".join(line.strip() for line in (about or "").splitlines()),
        formatter_class=RawDescriptionHelpFormatter,
    )


def without_training(arguments: Sequence[str]) -> None:
    """Say what there is, where only the base is installed.

    Raises:
        MissingExtraError: a verb that trains was asked for.
    """
    if arguments and not arguments[0].startswith("-"):
        raise MissingExtraError(
            f"Here is what predicts alone: {' and '.join(VERBS)}. For {arguments[0]!r} and every verb that "
            "trains: pip install 'understudy[train]'"
        )
    lines = [f"  {verb:<9}{(function.__doc__ or '').splitlines()[0]}\n" for verb, function in VERBS.items()]
    sys.stdout.write("Usage: understudy VERB ...\n\n" + "".join(lines))
    sys.stdout.write("\nThe verbs that train: pip install 'understudy[train]'\n")
