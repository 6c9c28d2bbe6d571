"""Time one predictor in a process of its own: ``python -m understudy.pipeline.isolated_timing``.

The process starts with the number of threads that is asked for, shares no cache with other predictors, and
its peak memory is the predictor's. It reads one line of JSON from standard input, and writes its result as
the last line of standard output. It writes no file, so that none is left behind. As soon as standard
input is closed, which happens when the caller ends in any way, the process ends too.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from understudy.core.items import from_json
from understudy.core.task import Item, Task
from understudy.errors import UnderstudyError
from understudy.pipeline.predictors import PredictorSpec, open_predictor

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that set the threads of numerical libraries when they are loaded."""

RESULT = "understudy.timing "
"""Prefix of the result's line: a library may print lines of its own."""


def measure_apart(
    spec: PredictorSpec, task: Task, texts: Sequence[Item], *, threads: int = 1
) -> dict[str, object]:
    """Open and time a predictor in a new process.

    Args:
        spec: The predictor.
        task: The task that it answers.
        texts: Texts to time it with.
        threads: Number of threads that it may use.

    Returns:
        `understudy.evaluation.clock.Cost` as a dict, with ``parameters`` and ``size_bytes``.

    Raises:
        UnderstudyError: The process failed; its last lines of output are in the message.
    """
    order = {"spec": asdict(spec), "task": task.to_dict(), "texts": list(texts), "threads": threads}
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    environment["TOKENIZERS_PARALLELISM"] = "false"
    command = [sys.executable, "-W", "ignore", "-m", "understudy.pipeline.isolated_timing"]

    with tempfile.TemporaryFile() as errors:  # it has no name, so that it is gone however this process ends
        process = subprocess.Popen(  # noqa: S603
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            result = _exchange(process, json.dumps(order).encode() + b"\n")
        finally:
            process.kill()
            process.wait()

        if result is None:
            errors.seek(0)
            last = "\n".join(errors.read().decode("utf-8", "replace").strip().splitlines()[-5:])
            raise UnderstudyError(f"Timing {spec.location} failed in its own process:\n{last}")
    return result


def _exchange(process: subprocess.Popen[bytes], order: bytes) -> dict[str, object] | None:
    """Send the order, and read up to the line with the result; ``None`` where the process failed.

    Standard input stays open meanwhile, or the process would end. Nothing is read after the result: a helper
    process that a teacher started may hold standard output open for ever.
    """
    if process.stdin is None or process.stdout is None:
        raise UnderstudyError("The timing process has no standard input or output.")

    with contextlib.suppress(BrokenPipeError):  # it ended before it read the order; its errors say why
        process.stdin.write(order)
        process.stdin.flush()

    result: dict[str, object] | None = None
    for line in process.stdout:
        if line.startswith(RESULT.encode()):
            result = json.loads(line[len(RESULT) :])
            break

    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()
    return result


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
    """Carry out the one order on standard input; without a result, the result is ``null``."""
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_caller, daemon=True).start()

    result = None
    try:
        result = carry_out(order)
    except BaseException:  # noqa: BLE001 - the caller shows it; it must not wait for helper processes
        traceback.print_exc()

    # The caller reads no further than the result, so the errors must be complete by then.
    sys.stderr.flush()
    sys.stdout.write(f"\n{RESULT}{json.dumps(result)}\n")
    sys.stdout.flush()
    # A usual exit would wait for libraries to clean up, while the other thread still reads standard input.
    os._exit(0 if result is not None else 1)


def _end_with_caller() -> None:
    """End this process as soon as standard input is closed."""
    # A read through Python's buffer would hold its lock, and an error elsewhere could not end the process.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
