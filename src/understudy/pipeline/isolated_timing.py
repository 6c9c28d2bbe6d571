"""Time one predictor in a process of its own: ``python -m understudy.pipeline.isolated_timing ORDER RESULT``.

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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from understudy.core.items import from_json
from understudy.core.manifest import read_json, write_json
from understudy.core.task import Item, Task
from understudy.errors import UnderstudyError
from understudy.pipeline.predictors import PredictorSpec, open_predictor

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def measure_apart(
    order: PredictorSpec, task: Task, texts: Sequence[Item], *, threads: int = 1
) -> dict[str, Any]:
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
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "understudy.pipeline.isolated_timing",
            str(there),
            str(back),
        ]
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
    order = PredictorSpec.from_dict(wanted["order"])
    if order.kind in ("teacher", "ensemble"):
        import torch

        torch.set_num_threads(wanted["threads"])
    opened = open_predictor(order, Task.from_dict(wanted["task"]), wanted["threads"])
    items = [from_json(item) for item in wanted["texts"]]
    cost = measure(opened.predictor, items, threads=wanted["threads"])
    found = {**cost.to_dict(), "parameters": opened.parameters, "size_bytes": opened.size_bytes}
    Path(arguments[1]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
