"""Every student's ONNX form beside its torch form: size on disk, latency of one text, parity at new lengths.

Random weights, the sizes that a run has by default (5,000 words), two labels. Torch and ONNX Runtime answer
the same texts in turns, ids in and logits out, one thread. The graphs are written by hand and nothing is
traced, so every length is one never traced; parity is measured from one token to the longest that is read.
Run: python benchmarks/graphs.py [--repeats 9] [--calls 40] [--forms text diffcat tokens]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import torch

from understudy.errors import RecipeError
from understudy.evaluation.machine import describe_machine
from understudy.students import STUDENTS, Ragged, build
from understudy.tokenization.encoding import INPUTS

WORDS = 5_000
LENGTHS = (1, 2, 19, 63, 200, 511)
"""Tokens of the texts that are compared; the third is that of a usual sentence, which is timed."""

USUAL = 19


def main() -> None:
    arguments = parse()
    torch.set_num_threads(1)
    rows = [
        row
        for form in arguments.forms
        for name in sorted(STUDENTS)
        if (row := measure(name, form, arguments.repeats, arguments.calls)) is not None
    ]
    print(f"{'student':<18}{'form':<9}{'MB':>7}{'torch µs':>10}{'ONNX µs':>9}", end="")
    print(f"{'ratio':>7}{'spread':>14}{'differs':>10}")
    for row in rows:
        low, high = row["ratio_range"]
        print(
            f"{row['student']:<18}{row['form']:<9}{row['bytes'] / 1e6:>7.2f}{row['torch_us']:>10.0f}"
            f"{row['onnx_us']:>9.0f}{row['ratio']:>7.1f}{f'{low:.1f}-{high:.1f}':>14}{row['differs']:>10.1e}"
        )
    print(json.dumps({"rows": rows, "machine": describe_machine(1)}))


def measure(name: str, form: str, repeats: int, calls: int) -> dict[str, Any] | None:
    """One student in one form; ``None`` where it has no such form."""
    try:
        module = build(name, 2, seed=0, form=form, vocabulary_size=WORDS).eval()
    except RecipeError:
        return None
    graph = module.to_onnx().SerializeToString()
    session = onnxruntime.InferenceSession(graph, options(), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)

    def batch(length: int) -> list[Ragged]:
        ids = [torch.from_numpy(generator.integers(4, WORDS, length)) for _ in INPUTS[form]]
        return [Ragged(each, torch.tensor([length])) for each in ids]

    def by_torch(batches: list[Ragged]) -> np.ndarray:
        with torch.inference_mode():
            return module(*batches).numpy()

    def by_onnx(batches: list[Ragged]) -> np.ndarray:
        feeds = {}
        for (ids, lengths), one in zip(INPUTS[form], batches, strict=True):
            feeds[ids], feeds[lengths] = one.ids.numpy()[None], one.lengths.numpy()
        found = session.run(["logits"], feeds)[0]
        return found[0] if form == "tokens" else found

    asked = [batch(length) for length in LENGTHS]
    differs = max(float(np.abs(by_torch(one) - by_onnx(one)).max()) for one in asked)
    usual = asked[LENGTHS.index(USUAL)]
    pairs = [(clock(by_torch, usual, calls), clock(by_onnx, usual, calls)) for _ in range(repeats)]
    ratios = [slow / fast for slow, fast in pairs]
    return {
        "student": name,
        "form": form,
        "bytes": len(graph),
        "torch_us": statistics.median(pair[0] for pair in pairs),
        "onnx_us": statistics.median(pair[1] for pair in pairs),
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "differs": differs,
    }


def clock(answer: Callable[[list[Ragged]], Any], batches: list[Ragged], calls: int) -> float:
    """Microseconds a call."""
    answer(batches)
    started = time.perf_counter()
    for _ in range(calls):
        answer(batches)
    return (time.perf_counter() - started) / calls * 1e6


def options() -> onnxruntime.SessionOptions:
    """One thread, as the runtime has it."""
    made = onnxruntime.SessionOptions()
    made.intra_op_num_threads = made.inter_op_num_threads = 1
    return made


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--forms", nargs="+", default=["text", "diffcat", "tokens"], choices=list(INPUTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
