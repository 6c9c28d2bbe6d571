"""Time one predictor in a process of its own: ``python -m understudy.measure ORDER.json RESULT.json``.

A process of its own starts with the threads it is told, shares no cache with what is timed beside it, and has
a peak of memory that is the predictor's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understudy.errors import UnderstudyError
from understudy.folders import read_json, write_json
from understudy.task import Predictor, Task

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Order:
    """Which predictor to open.

    Attributes:
        kind: ``teacher``, ``student`` (an exported one) or ``baseline``.
        location: folder, or a teacher's hub id.
        precision: of a teacher.
        teacher_labels: names of a teacher's columns, where it does not say them itself.
    """

    kind: str
    location: str
    precision: str = "float32"
    teacher_labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Opened:
    """A predictor with its size."""

    predictor: Predictor
    parameters: int
    size_bytes: int


def open_predictor(order: Order, task: Task, threads: int = 1) -> Opened:
    """Open a teacher, an exported student or a baseline. Only what the kind needs is imported."""
    folder = Path(order.location)
    if order.kind == "student":
        from understudy.layout import Layout
        from understudy.runtime import load

        model, layout = load(folder, threads=threads), Layout(folder)
        portable = (layout.config, layout.tokenizer, layout.onnx)
        needed = portable if model.fast is None else (layout.config, layout.fast)
        return Opened(model, model.config["parameters"], sum(path.stat().st_size for path in needed))
    if order.kind == "baseline":
        from understudy.training.baseline import TfidfBaseline, folder_bytes

        baseline = TfidfBaseline.load(folder)
        return Opened(baseline, baseline.parameters, folder_bytes(folder))
    from understudy.teachers.transformer import Teacher

    teacher = Teacher.from_pretrained(
        order.location, task=task, labels=order.teacher_labels, precision=order.precision
    )
    width = 2 if order.precision == "bfloat16" else 4
    return Opened(teacher, teacher.parameters, teacher.parameters * width)


def measure_apart(order: Order, task: Task, texts: Sequence[str], *, threads: int = 1) -> dict[str, Any]:
    """Open and time a predictor in a new process.

    Returns:
        `understudy.evaluation.clock.Cost` as a dict, with ``parameters`` and ``size_bytes``.

    Raises:
        UnderstudyError: the process failed; its last words are in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder) / "order.json", Path(folder) / "result.json"
        write_json(
            there, {"order": asdict(order), "task": task.to_dict(), "texts": list(texts), "threads": threads}
        )
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        environment["TOKENIZERS_PARALLELISM"] = "false"
        command = [sys.executable, "-W", "ignore", "-m", "understudy.measure", str(there), str(back)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            last = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise UnderstudyError(f"Timing {order.location} failed in its own process:\n{last}")
        result: dict[str, Any] = read_json(back)
        return result


def main(arguments: Sequence[str]) -> None:
    """Carry out one order."""
    from understudy.evaluation.clock import measure

    wanted = read_json(Path(arguments[0]))
    order = Order(**wanted["order"])
    if order.kind == "teacher":
        import torch

        torch.set_num_threads(wanted["threads"])
    opened = open_predictor(order, Task.from_dict(wanted["task"]), wanted["threads"])
    cost = measure(opened.predictor, wanted["texts"], threads=wanted["threads"])
    found = {**cost.to_dict(), "parameters": opened.parameters, "size_bytes": opened.size_bytes}
    Path(arguments[1]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
