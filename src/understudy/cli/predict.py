"""The verbs of the base install, `predict` and `info`: they need numpy and ONNX Runtime alone.

`app.py` adds the verbs that train, with packages of the training extra.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from understudy._version import __version__
from understudy.cli.verbs import BASE
from understudy.errors import RecipeError

if TYPE_CHECKING:
    from understudy.cli.inputs import Batch, Block
    from understudy.runtime.model import Model

FORMATS = ("text", "jsonl", "csv")
"""What `predict` writes."""

STANDARD_INPUT = "-"

NOTES = """\
Put two texts that belong together into one argument or line, separated by a tab. Without texts and --file,
or with - for either, the lines of standard input are answered as they come, in UTF-8.

Text: one line an answer, with label, probability and text. Line breaks of a text become spaces; control
characters and backslashes of a label are escaped (\\n, \\x1b, \\\\). Several labels have commas between them,
and a comma within a label becomes \\, there. JSON lines and CSV hold the whole text. A cell of CSV that
begins with =, +, - or @ stays as it is: import the file as text where a spreadsheet would see a formula.
"""


def main(arguments: Sequence[str]) -> bool:
    """Do what the arguments say, where that is a verb of the base install; else nothing, and say ``False``.

    Args:
        arguments: those of the command line, without the program's name.
    """
    verb = arguments[0] if arguments else ""
    if verb == "--version":
        print_version()
        return True
    if verb not in VERBS:
        return False
    VERBS[verb](arguments[1:])
    return True


def print_version() -> None:
    """Print the name and the version."""
    sys.stdout.write(f"understudy {__version__}\n")


def predict(arguments: Sequence[str]) -> None:
    """Answer texts with an exported student."""
    parser = _parser("predict", "understudy predict [OPTIONS] FOLDER [TEXT ...]", NOTES)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", help="folder of an exported student")
    parser.add_argument(
        "texts", metavar="TEXT", nargs="*", help="texts to answer; none, or -, means standard input"
    )
    parser.add_argument(
        "--file",
        type=Path,
        help="file with one text a line (may be .gz); - is standard input; a table needs --column",
    )
    parser.add_argument(
        "--column",
        action="append",
        help="column that holds the texts of a --file in CSV, TSV, JSON, JSON lines or Parquet, which may be "
        ".gz; give it twice for pairs",
    )
    parser.add_argument("--output", type=Path, help="file to write [standard output]")
    parser.add_argument("--format", choices=FORMATS, default="text", help="what to write [text]")
    parser.add_argument("--threads", type=int, default=1, help="threads that one call may use [1]")

    options = parser.parse_intermixed_args(arguments)
    if options.folder is None:  # not left to the library, which would ask for texts, too
        parser.error("FOLDER is missing: the folder of an exported student, such as runs/NAME/models/cbow.v1")
    if options.threads < 1:
        parser.error(f"argument --threads: {options.threads} is less than 1")
    _predict(options)


def _predict(options: Namespace) -> None:
    from understudy.cli.answers import write_answers

    if options.texts and options.file:
        raise RecipeError("Give texts or --file, not both.")
    if options.texts == [STANDARD_INPUT]:
        options.texts = []
    if str(options.file) == STANDARD_INPUT:
        options.file = None
    if _is_same(options.file, options.output):
        raise RecipeError(f"--output is the file that is read, {options.file}. Name another.")
    _check_columns(options)

    from understudy.runtime import load
    from understudy.runtime.threads import most_threads

    threads = options.threads
    if threads > most_threads():
        sys.stderr.write(
            f"This machine has {most_threads()} cores: {threads:,} threads would not be faster.\n"
        )
        threads = most_threads()
    model = load(Path(options.folder), threads=threads)
    if options.column and len(options.column) != model.task.texts:
        need = "2 texts: give --column twice" if model.task.texts == 2 else "1 text: give --column once"
        raise RecipeError(f"This model reads {need}.")
    write_answers(model, _source(model, options), options.format, options.output)


def _check_columns(options: Namespace) -> None:
    from understudy.cli.inputs import TABLES, is_table

    has_columns = options.file is not None and is_table(options.file)
    if has_columns and not options.column:
        raise RecipeError(
            f"{options.file} is a table. Say which column holds the texts, such as --column text; or send it "
            "to standard input to have each line answered as it stands."
        )
    if options.column and not has_columns:
        raise RecipeError(
            f"--column is for a --file that ends in {', '.join(TABLES)}, or one of these and .gz."
        )


def _source(model: Model, options: Namespace) -> Iterator[Batch | Block]:
    """The items that the options name, as they come."""
    from understudy.cli.inputs import batches_of, read_blocks, to_items

    if options.column:
        from understudy.data.cells import stream_items

        yield from batches_of(stream_items(options.file, options.column))
        return
    if options.texts:
        yield from batches_of(to_items(options.texts, model.task))
        return

    if options.file is None and sys.stdin.isatty():
        sys.stderr.write("Type a text and press Enter; Ctrl-D ends.\n")
    yield from read_blocks(options.file, model.task)


def _is_same(file: Path | None, output: Path | None) -> bool:
    if file is None or output is None:
        return False
    return file.exists() and output.exists() and file.samefile(output)


def info(arguments: Sequence[str]) -> None:
    """Print this version, what is installed beside it, and whether the fast path serves."""
    _parser("info", "understudy info").parse_args(arguments)
    from understudy.evaluation.machine import describe_machine
    from understudy.runtime.fast import status

    facts = {"understudy": __version__, "fast_path": asdict(status()), **describe_machine(1)}
    sys.stdout.write(json.dumps(facts, indent=2) + "\n")


VERBS: dict[str, Callable[[Sequence[str]], None]] = {"predict": predict, "info": info}


def _parser(verb: str, usage: str, notes: str = "") -> ArgumentParser:
    return ArgumentParser(
        prog=f"understudy {verb}",
        usage=usage,
        description=BASE[verb],
        epilog=notes,
        formatter_class=RawDescriptionHelpFormatter,
    )
