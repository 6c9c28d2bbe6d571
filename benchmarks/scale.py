"""From ten million texts to a student, in bounded memory: made, augmented, labelled, trained, judged.

Texts are random sequences of invented words with Zipf's frequencies, the teacher is a linear bag of words.
Each line says what a stage did, how fast (by the clock, and by the time that the processor gave it: on a busy
machine these differ), and the peak of this process's resident memory while it ran, mapped files included.
Run: python benchmarks/scale.py [--texts 10000000] [--folder FOLDER]
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
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from understudy.augment import held_out_forms, read_steps, stream_pool
from understudy.augment.stream import read_texts
from understudy.configs import TrainingConfig
from understudy.evaluation.machine import describe_machine
from understudy.logits import LogitStore, label_stream
from understudy.task import Task
from understudy.training.fit import fit
from understudy.training.stream import PoolTexts, with_streamed_targets
from understudy.words import SPECIALS, WordVocabulary

TASK = Task(("minus", "plus"))
WORDS = 20_000
BLOCK = 2**16
LIMIT_GIB = 4.0
VOCABULARY_SAMPLE = 1_000_000
PEAK = Path("/proc/self/clear_refs")


class Clock:
    """An audience that keeps seconds and peak memory of every bar; `stage` is one by hand."""

    def __init__(self) -> None:
        self.rows: list[dict] = []

    def say(self, sentence: str) -> None:
        """Print a line."""
        print(sentence, flush=True)

    @contextlib.contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator:  # noqa: ARG002
        """Measure a block of code."""
        with contextlib.suppress(OSError):
            PEAK.write_text("5")  # Linux: the peak is that of this stage alone
        started, busy = time.perf_counter(), time.process_time()
        yield lambda _: None
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - busy
        self.rows.append(
            {
                "stage": what,
                "texts": total,
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "peak_gib": peak_gib(),
            }
        )

    def last(self, texts: int, folder: Path | None = None) -> None:
        """Complete and print the last row."""
        row = self.rows[-1]
        row.update(texts=texts, rate_per_s=texts / row["seconds"])
        row["rate_per_cpu_s"] = texts / row["cpu_seconds"]
        row["disk_gib"] = disk_gib(folder) if folder else 0.0
        self.say(
            f"{row['stage']:<26} {texts:>11,} texts  {row['seconds']:>7.1f} s  {row['rate_per_s']:>9,.0f}/s  "
            f"{row['rate_per_cpu_s']:>9,.0f}/cpu s  "
            f"peak {row['peak_gib']:.2f} GiB  disk {row['disk_gib']:.2f} GiB"
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

    task = TASK

    def __init__(self) -> None:
        self.vocabulary = WordVocabulary((*SPECIALS, *invented_words()))
        self.weights = np.random.default_rng(1).normal(size=len(self.vocabulary)).astype(np.float32)
        self.weights[: len(SPECIALS)] = 0.0

    def logits(self, items: list[str]) -> np.ndarray:
        """``(n, 2)``."""
        ids, lengths = self.vocabulary.encode_batch(items)
        sums = np.add.reduceat(self.weights[ids], np.cumsum(lengths) - lengths)
        return np.stack([-sums, sums], axis=1)


def write_texts(path: Path, count: int) -> None:
    stream = texts(count, seed=2)
    with pq.ParquetWriter(path, pa.schema([("text", pa.string())]), compression="zstd") as file:
        while block := list(itertools.islice(stream, BLOCK)):
            file.write_table(pa.table({"text": block}))


def run(folder: Path, count: int, clock: Clock) -> dict:
    """All stages; facts of the result."""
    teacher = LinearTeacher()
    dev, test = list(texts(2_000, seed=3)), list(texts(5_000, seed=4))
    folder.mkdir(parents=True, exist_ok=True)
    with clock.bar("making texts", count, "texts"):
        write_texts(folder / "given.parquet", count)
    clock.last(count)

    pool_folder = folder / "pool"
    streamed = stream_pool(
        read_texts([folder / "given.parquet"]),
        read_steps([{"masking": {"passes": 1}}]),
        pool_folder,
        source=f"scale {count}",
        held_out=held_out_forms([*dev, *test]),
        progress=clock,
        total=count,
    )
    clock.last(sum(part.made for part in streamed.counts), pool_folder)
    pool = PoolTexts(pool_folder)

    store = LogitStore(folder / "logits", teacher="linear", labels=TASK.labels)
    label_stream(teacher, pool, store, shard_texts=BLOCK, progress=clock, total=len(pool))
    clock.last(len(pool), store.folder)
    with clock.bar("compacting the store", len(store), "texts"):
        store.compact()
    clock.last(len(store), store.folder)

    cache = folder / "cache"
    no_gold = TASK.no_gold(0)
    transfer = with_streamed_targets(TASK, [], no_gold, pool, store, folder=cache, progress=clock)
    clock.last(len(pool), cache)
    trained = fit(
        "cbow.v1",
        TASK,
        transfer,
        (dev, teacher.logits(dev).argmax(axis=1)),
        seed=0,
        config=TrainingConfig(epochs=1, batch_size=1024, vocabulary_size=WORDS + len(SPECIALS)),
        vocabulary_items=itertools.islice(pool, VOCABULARY_SAMPLE),
        progress=clock,
        what="training cbow.v1, 1 pass",
    )
    training = clock.rows.pop()
    clock.last(len(pool), cache)
    clock.rows.append(training)
    clock.last(len(pool))
    with clock.bar("answering test", len(test), "texts"):
        answers = trained.student.logits(test).argmax(axis=1)
    clock.last(len(test))
    return {
        "given": count,
        "pool": len(pool),
        "removed": {part.name: part.removed for part in streamed.counts},
        "agreement": float((answers == teacher.logits(test).argmax(axis=1)).mean()),
        "parameters": trained.student.parameters,
    }


def main() -> None:
    """Run, print a line a stage, end with one line of JSON; fails above the limit of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=10_000_000, help="before augmentation")
    parser.add_argument("--folder", type=Path, help="where all is written, to stay")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    clock = Clock()
    with tempfile.TemporaryDirectory() as aside:
        facts = run(wanted.folder or Path(aside), wanted.texts, clock)
    peak = max(row["peak_gib"] for row in clock.rows)
    print(f"{facts['pool']:,} texts; agreement {facts['agreement']:.3f}; peak {peak:.2f} GiB")
    facts = {"benchmark": "scale", **facts, "peak_gib": peak, "stages": clock.rows}
    print(json.dumps({**facts, "machine": describe_machine(torch.get_num_threads())}))
    sys.exit(peak > LIMIT_GIB)


if __name__ == "__main__":
    main()
