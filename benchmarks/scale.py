"""From ten million texts to a student, in bounded memory: the run that `understudy distill` does, timed.

Texts are random sequences of invented words with Zipf's frequencies, the teacher is a linear bag of words. A
few of them are labelled, the others lie in a Parquet file, and a recipe asks for one pass of masking. Each
line says what a piece of work did, how fast (by the clock, and by the time that the processor gave it: on a
busy machine these differ), and the peak of this process's resident memory meanwhile, mapped files included.

With `--store-rows 100_000_000` it fills a logit store of so many rows instead, opens it, and looks rows up.
Run: python benchmarks/scale.py [--texts 10000000] [--folder FOLDER] [--store-rows ROWS]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from understudy.evaluation.machine import describe_machine
from understudy.pipeline.distillation import distill
from understudy.targets.store import LogitStore, chunks
from understudy.tokenization.words import SPECIALS, WordVocabulary

LABELS = ("minus", "plus")
SPLITS = {"train": 2_000, "dev": 2_000, "test": 5_000}
WORDS = 20_000
BLOCK = 2**16
LIMIT_GIB = 4.0
APPENDED = 2**20
LOOKED_UP = 1_000_000
PEAK = Path("/proc/self/clear_refs")


class Clock:
    """An audience that prints each piece of work when it is done: texts, seconds, and the peak of memory."""

    def __init__(self) -> None:
        self.rows: list[dict] = []

    def say(self, sentence: str) -> None:
        """Print a line."""
        print(sentence, flush=True)

    @contextlib.contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator:  # noqa: ARG002
        """Measure a block of code."""
        with contextlib.suppress(OSError):
            PEAK.write_text("5")  # Linux: the peak is that of this piece alone
        started, busy, done, inside = time.perf_counter(), time.process_time(), 0, len(self.rows)

        def advance(units: int) -> None:
            nonlocal done
            done += units

        yield advance
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - busy
        peak = max([peak_gib(), *(row["peak_gib"] for row in self.rows[inside:])])
        row = {"stage": what, unit: done, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_gib": peak}
        self.rows.append(row)
        self.say(
            f"  {what:<26} {done:>11,} {unit:<10} {seconds:>7.1f} s  {done / seconds:>9,.0f}/s  "
            f"{done / max(cpu_seconds, 1e-9):>9,.0f}/cpu s  peak {peak:.2f} GiB"
        )


def peak_gib() -> float:
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def disk_gib(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**30


def invented_words() -> list[str]:
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    return ["".join(parts) for parts in itertools.islice(itertools.product(syllables, repeat=3), WORDS)]


def texts(count: int, seed: int) -> Iterator[str]:
    """Texts of 4 to 12 words."""
    words = np.array(invented_words(), dtype=object)
    np.random.default_rng(0).shuffle(words)
    frequency = np.cumsum(1.0 / np.arange(1, WORDS + 1))
    generator = np.random.default_rng(seed)
    for start in range(0, count, BLOCK):
        lengths = generator.integers(4, 13, min(BLOCK, count - start))
        draws = generator.random(int(lengths.sum())) * frequency[-1]
        drawn = words[np.searchsorted(frequency, draws)].tolist()
        ends = np.cumsum(lengths).tolist()
        yield from (" ".join(drawn[a:b]) for a, b in itertools.pairwise([0, *ends]))


class LinearTeacher:
    """Each word has a weight; a text's logit is their sum."""

    labels = LABELS
    fingerprint = "linear"

    def __init__(self) -> None:
        self.vocabulary = WordVocabulary((*SPECIALS, *invented_words()))
        self.weights = np.random.default_rng(1).normal(size=len(self.vocabulary)).astype(np.float32)
        self.weights[: len(SPECIALS)] = 0.0

    def __call__(self, items: list[str]) -> np.ndarray:
        """``(n, 2)``."""
        ids, lengths = self.vocabulary.encode_batch(items)
        sums = np.add.reduceat(self.weights[ids], np.cumsum(lengths) - lengths)
        return np.stack([-sums, sums], axis=1)


def write_data(folder: Path, count: int, teacher: LinearTeacher) -> None:
    """A folder as a user brings it: three labelled files, and one of texts without labels."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (part, size) in enumerate(SPLITS.items(), start=3):
        items = list(texts(size, seed))
        columns = teacher(items).argmax(axis=1)
        pq.write_table(
            pa.table({"text": items, "label": [LABELS[c] for c in columns]}), folder / f"{part}.parquet"
        )
    schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(folder / "unlabelled.parquet", schema, compression="zstd") as file:
        for block in chunks(texts(count, seed=2), BLOCK):
            file.write_table(pa.table({"text": block}))


def run(folder: Path, count: int, clock: Clock) -> dict:
    """The whole run; facts of the result."""
    teacher = LinearTeacher()
    with clock.bar("making texts", count, "texts") as advance:
        write_data(folder / "data", count, teacher)
        advance(count)
    with clock.bar("the whole run", count, "texts") as advance:
        done = distill(
            str(folder / "data"),
            teacher=teacher,
            students="cbow.v1",
            augment=[{"masking": {"passes": 1}}],
            data__stream=True,
            loss__name="mse",
            training__vocabulary_size=WORDS + len(SPECIALS),
            training__epochs=1,
            out=folder / "run",
            progress=clock,
        )
        advance(count)
    rows = {row["role"]: row for row in done.report["rows"]}
    sizes = {name: disk_gib(folder / "run" / name) for name in ("augment", "logits", "train")}
    return {
        "given": count,
        "transfer": done.report["data"]["sizes"]["transfer"],
        "dropped": done.report["data"]["dropped"],
        "agreement": rows["student"]["agreement"],
        "undistilled_agreement": rows["undistilled"]["agreement"],
        "parameters": rows["student"]["parameters"],
        "disk_gib": sizes,
    }


def row_texts(numbers: Iterable[int]) -> list[str]:
    return [f"row {number}" for number in numbers]


def fill(folder: Path, rows: int, clock: Clock) -> dict:
    """A store of so many rows: filled by its own `append`, closed, opened, asked; facts of it."""
    given = {"teacher": "synthetic", "labels": LABELS}
    store = LogitStore(folder, **given)
    with clock.bar("appending", rows, "rows") as advance:
        for start in range(0, rows, APPENDED):
            numbers = np.arange(start, min(rows, start + APPENDED))
            logits = np.stack([numbers, -numbers], axis=1).astype(np.float32)
            store.append(row_texts(numbers), logits)
            advance(len(numbers))
    del store
    with clock.bar("opening", 1, "stores") as advance:
        store = LogitStore(folder, **given)
        advance(1)
    opened = clock.rows[-1]["seconds"]
    wanted = np.random.default_rng(0).integers(0, rows, LOOKED_UP)
    asked = row_texts(wanted)
    with clock.bar("looking up at random", LOOKED_UP, "rows") as advance:
        found = store.look_up(asked)
        advance(LOOKED_UP)
    if not (found[:, 0] == wanted.astype(np.float32)).all():
        sys.exit("a look-up gave another row")
    facts = {"rows": len(store), "open_s": opened, "lookups_per_s": LOOKED_UP / clock.rows[-1]["seconds"]}
    return {**facts, "bytes_a_row": disk_gib(folder) * 2**30 / rows}


def main() -> None:
    """Run, print a line a piece of work, end with one line of JSON; fails above the limit of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=10_000_000, help="before augmentation")
    parser.add_argument("--folder", type=Path, help="where all is written, to stay")
    parser.add_argument("--store-rows", type=int, help="fill a logit store with so many rows instead")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    clock = Clock()
    with tempfile.TemporaryDirectory() as aside:
        folder = wanted.folder or Path(aside)
        if wanted.store_rows:
            facts = fill(folder / "store", wanted.store_rows, clock)
        else:
            facts = run(folder, wanted.texts, clock)
    peak = max(row["peak_gib"] for row in clock.rows)
    facts = {"benchmark": "scale", **facts, "peak_gib": peak, "stages": clock.rows}
    print(json.dumps({**facts, "machine": describe_machine(torch.get_num_threads())}))
    sys.exit(peak > LIMIT_GIB)


if __name__ == "__main__":
    main()
