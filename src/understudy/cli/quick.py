"""`understudy predict FOLDER TEXT …` without loading what it does not need.

The command line's library takes longer to load than everything else together. A fast student and plain
arguments need none of it; whatever has an option, or goes wrong, is left to `predict.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from understudy.cli.answer_format import text_line
from understudy.cli.streams import write_data
from understudy.errors import UnderstudyError
from understudy.runtime.artifact import open_folder
from understudy.runtime.fast import FastStudent


def answer(arguments: Sequence[str]) -> bool:
    """Answer where the arguments are plain; else ``False``, and nothing has been written."""
    if len(arguments) < 3 or arguments[0] != "predict" or any(one.startswith("-") for one in arguments):
        return False

    try:
        opened = open_folder(Path(arguments[1]))
    except UnderstudyError:
        return False
    is_label = opened.config["task"].get("kind", "classification") == "classification"
    if not isinstance(opened.fast, FastStudent) or not is_label:
        return False

    labels = opened.config["task"]["labels"]
    lines = []
    for text in arguments[2:]:
        row = opened.fast.probabilities(text)
        best = max(range(len(row)), key=row.__getitem__)
        lines.append(text_line(labels[best], row[best], text))

    write_data()
    sys.stdout.writelines(lines)
    return True
