"""Texts from an Arrow array beside the same texts as a list of Python's strings: rate, and memory.

`cbow.v1` is trained on gold labels, or `--model` names an exported student that C answers for. Both ways do
the same texts in turns, by one thread, in the process's time. With `--texts 20_000_000` the array has so many
texts instead, in chunks of a million, each with the test texts in an order of its own; they are answered from
the array alone, and the peak of resident memory is printed before and after.

Run: python benchmarks/arrow.py [--quick] [--model FOLDER] [--threads 1] [--texts 20_000_000]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
from contest import Block, ratio, rows, show, turns

from understudy.evaluation.clock import peak_memory_bytes
from understudy.evaluation.machine import describe_machine
from understudy.runtime import Model, load

CHUNK = 2**20
MOST_AT_ONCE = 200_000
LIST, ARROW = "label_ids of a list", "label_ids from Arrow"
LISTED, ARROWED = "predict of a list", "predict from Arrow"


def blocks(model: Model, texts: Sequence[str], seconds: float) -> dict[str, Block]:
    """Both ways to columns and both to names, each as many texts as take about ``seconds``."""
    started = time.perf_counter()
    model.label_ids(list(texts))
    each = max(1e-8, (time.perf_counter() - started) / len(texts))
    asked = list(islice(cycle(texts), max(32, min(MOST_AT_ONCE, int(seconds / each)))))
    array = pa.array(asked)
    asked = list(map(str.encode, asked))
    asked = [text.decode() for text in asked]  # a string of its own for each, as whoever reads them has it

    def block(answer: Callable[[Any], Any], given: Any) -> Block:
        def answered() -> int:
            answer(given)
            return len(given)

        return answered

    return {
        LIST: block(model.label_ids, asked),
        ARROW: block(model.label_ids, array),
        LISTED: block(model.predict, asked),
        ARROWED: block(model.predict, array),
    }


def ratios(table: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Rates from an array over rates of a list."""
    return {
        "arrow_over_list_label_ids": ratio(table, LIST, ARROW),
        "arrow_over_list_predict": ratio(table, LISTED, ARROWED),
    }


def trained(folder: Path, quick: bool) -> tuple[Model, list[str]]:
    """A `cbow.v1` of the benchmark's data, and its test texts."""
    import answering

    from understudy.core.configs import TrainingConfig
    from understudy.export.folder import export
    from understudy.training.fit import fit
    from understudy.training.transfer_set import TransferSet

    given = answering.data(quick)
    transfer = TransferSet(tuple(given.train[0]), given.train[1])
    config = TrainingConfig(epochs=5 if quick else 20)
    found = fit("cbow.v1", given.task, transfer, given.dev, seed=answering.SEED, config=config)
    export(found.student, folder, teacher={}, about={})
    return load(folder), given.test[0]


def in_turns(model: Model, texts: Sequence[str], quick: bool) -> dict[str, Any]:
    """The contest of both ways."""
    measured = turns(blocks(model, texts, 0.03 if quick else 0.15), 5 if quick else 11)
    table = rows(measured, LIST, "cpu")
    show("Many texts, one thread, processor time", table, LIST, rate=True)
    return {"rows": table, "ratios": ratios(table)}


def many(model: Model, texts: Sequence[str], count: int) -> dict[str, Any]:
    """So many texts from chunks, with the peak of memory before and after."""
    few = pa.array(texts)
    rng = np.random.default_rng(0)
    sizes = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    array = pa.chunked_array([few.take(pa.array(rng.integers(0, len(few), size))) for size in sizes])
    before = peak_memory_bytes()
    started, busy = time.perf_counter(), time.process_time()
    columns = model.label_ids(array)
    seconds, cpu = time.perf_counter() - started, time.process_time() - busy
    after = peak_memory_bytes()

    shares = np.bincount(columns, minlength=len(model.task.labels)) / max(1, len(columns))
    print(f"{count:,} texts of {array.nbytes / 2**30:.2f} GiB by {model.threads} threads: {seconds:.2f} s")
    print(f"  {count / seconds:,.0f} texts/s by the clock, {count / cpu:,.0f} in the process's time")
    print(f"  peak memory {before / 2**20:,.0f} MiB before, {after / 2**20:,.0f} MiB after")
    return {
        "texts": count,
        "array_bytes": array.nbytes,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_bytes": {"before": before, "after": after},
        "shares": shares.tolist(),
    }


def main() -> None:
    """Measure, print, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few repeats and little training")
    parser.add_argument("--model", type=Path, help="exported student, instead of one trained here")
    parser.add_argument("--threads", type=int, default=1, help="of --texts")
    parser.add_argument("--texts", type=int, help="answer so many from one array, and print memory")
    given = parser.parse_args()
    warnings.simplefilter("ignore")

    with tempfile.TemporaryDirectory() as folder:
        if given.model:
            import answering

            model, texts = load(given.model), answering.data(given.quick).test[0]
        else:
            model, texts = trained(Path(folder) / "cbow", given.quick)
        document: dict[str, Any] = {"benchmark": "arrow", "machine": describe_machine(given.threads)}
        if given.texts:
            model = load(model.layout.folder, threads=given.threads)
            document |= many(model, texts, given.texts)
        else:
            document |= in_turns(model, texts, given.quick)
    document["load_average"] = os.getloadavg()[0]
    print(json.dumps(document))


if __name__ == "__main__":
    main()
