"""Time one predictor in a process of its own: ``python -m understudy.pipeline.isolated_timing``.

A process of its own starts with the threads it is told, shares no cache with what is timed beside it, and has
a peak of memory that is the predictor's. It reads its order as one line of JSON from standard input, and
writes its result as the last line of standard output. No file is written, so none is left behind; and as soon
as standard input is closed, which happens when the caller ends in any way, the process ends too.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from understudy.core.items import from_json
from understudy.core.task import Item, Task
from understudy.errors import UnderstudyError
from understudy.pipeline.predictors import PredictorSpec, open_predictor

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

RESULT = "understudy.timing "
"""Stands before the result, so that no library's own output is taken for it."""


def measure_apart(
    spec: PredictorSpec, task: Task, texts: Sequence[Item], *, threads: int = 1
) -> dict[str, object]:
    """Open and time a predictor in a new process.

    Returns:
        `understudy.evaluation.clock.Cost` as a dict, with ``parameters`` and ``size_bytes``.

    Raises:
        UnderstudyError: The process failed; its last words are in the message.
    """
    order = {"spec": asdict(spec), "task": task.to_dict(), "texts": list(texts), "threads": threads}
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    environment["TOKENIZERS_PARALLELISM"] = "false"
    command = [sys.executable, "-W", "ignore", "-m", "understudy.pipeline.isolated_timing"]

    with tempfile.TemporaryFile() as errors:  # nameless: it is gone however this process ends
        process = subprocess.Popen(  # noqa: S603
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            output = _talk(process, json.dumps(order).encode() + b"\n")
        finally:
            process.kill()
            process.wait()

        found = [line for line in output.decode("utf-8", "replace").splitlines() if line.startswith(RESULT)]
        if not found:
            errors.seek(0)
            last = "\n".join(errors.read().decode("utf-8", "replace").strip().splitlines()[-5:])
            raise UnderstudyError(f"Timing {spec.location} failed in its own process:\n{last}")
    result: dict[str, object] = json.loads(found[-1].removeprefix(RESULT))
    return result


def _talk(process: subprocess.Popen[bytes], order: bytes) -> bytes:
    """Send the order, leave standard input open, and read until the process has said everything."""
    if process.stdin is None or process.stdout is None:
        raise UnderstudyError("The timing process has no standard input or output.")
    with contextlib.suppress(BrokenPipeError):  # it ended before it read all; what it said tells why
        process.stdin.write(order)
        process.stdin.flush()
    output = process.stdout.read()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()
    process.wait()
    return output


def carry_out(order: Mapping[str, Any]) -> dict[str, object]:
    """Open the predictor that an order names, and time it."""
    from understudy.evaluation.clock import measure

    spec, threads = PredictorSpec.from_dict(order["spec"]), int(order["threads"])
    if spec.kind in ("teacher", "ensemble"):
        import torch

        torch.set_num_threads(threads)

    opened = open_predictor(spec, Task.from_dict(order["task"]), threads)
    items = [from_json(item) for item in order["texts"]]
    cost = measure(opened.predictor, items, threads=threads)
    return {**cost.to_dict(), "parameters": opened.parameters, "size_bytes": opened.size_bytes}


def main() -> None:
    """Carry out the one order on standard input."""
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_caller, daemon=True).start()
    result = carry_out(order)
    sys.stdout.write(f"\n{RESULT}{json.dumps(result)}\n")
    sys.stdout.flush()
    os._exit(0)  # the thread still waits for standard input, and libraries' own clean-up is of no use here


def _end_with_caller() -> None:
    """End this process as soon as standard input is closed."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
