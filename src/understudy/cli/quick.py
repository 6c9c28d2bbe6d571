"""`understudy predict FOLDER TEXT …` without loading what it does not need: the first answer in a blink.

The command line's library takes longer to load than everything else together. A fast student and plain
arguments need none of it; whatever has an option, or goes wrong, is left to `cli.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from understudy.errors import UnderstudyError
from understudy.runtime.artifact import open_folder


def answer(arguments: Sequence[str]) -> bool:
    """Answer where the arguments are plain; else ``False``, and nothing has been written."""
    if len(arguments) < 3 or arguments[0] != "predict" or any(one.startswith("-") for one in arguments):
        return False
    try:
        opened = open_folder(Path(arguments[1]))
    except UnderstudyError:
        return False
    if opened.fast is None or opened.config["task"]["kind"] != "classification":
        return False
    labels = opened.config["task"]["labels"]
    rows = [opened.fast.probabilities(text) for text in arguments[2:]]
    sys.stdout.writelines(text_line(text, labels, row) for text, row in zip(arguments[2:], rows, strict=True))
    return True


def text_line(text: str, labels: Sequence[str], row: Sequence[float]) -> str:
    """One answer as `predict` writes it: label, its probability, text."""
    best = max(range(len(row)), key=row.__getitem__)
    return f"{labels[best]}\t{row[best]:.4f}\t{text}\n"
