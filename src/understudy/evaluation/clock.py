"""The one clock: what a prediction costs, measured alike for every Predictor.

What is timed is a raw item in (a text, a pair of texts, the words of a sentence), its answer out:
tokenisation is included. A fair comparison runs each predictor
in a process of its own, so that peak memory is its own too, and limits the threads (``OMP_NUM_THREADS``,
``torch.set_num_threads``, session options) before the predictor is loaded.
"""

from __future__ import annotations

import contextlib
import gc
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.task import Item, Predictor
from understudy.errors import DataError
from understudy.evaluation.machine import cpu_name

_FIRST_CHUNK = 32  # items that tell how many fit into the time for a batch


@dataclass(frozen=True)
class Latency:
    """Percentiles of the time for one item, in microseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Cost:
    """What a predictor costs.

    Attributes:
        latency_us: time for a single item, microseconds.
        calls: single items that were timed.
        throughput_per_s: items a second when many are given at once; the median of the repeats.
        throughput_range: slowest and fastest repeat, items a second.
        batch_items: items given at once.
        threads: threads the predictor was allowed to use, as the caller says.
        peak_memory_bytes: highest resident memory of this process so far; 0 where the platform does not tell.
        cpu: processor model.
    """

    latency_us: Latency
    calls: int
    throughput_per_s: float
    throughput_range: tuple[float, float]
    batch_items: int
    threads: int
    peak_memory_bytes: int
    cpu: str

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**asdict(self), "throughput_range": list(self.throughput_range)}


@dataclass(frozen=True)
class PairedTiming:
    """Two predictors, timed in turns on the same single items.

    Attributes:
        one_us: median time of the first for an item, microseconds.
        other_us: that of the second.
        ratio: time of the first over time of the second; the median of the rounds. Above 1 the second wins.
        quartiles: of the rounds' ratios, the first and the third.
        rounds: each of as many items for the one as for the other.
    """

    one_us: float
    other_us: float
    ratio: float
    quartiles: tuple[float, float]
    rounds: int


def time_in_turns(
    one: Predictor, other: Predictor, items: Sequence[Item], *, rounds: int = 21, seconds: float = 2.0
) -> PairedTiming:
    """Time two predictors on single items, in rounds that take turns at who comes first.

    Both answer the same items, one after the other as a service would, so that each finds its own weights in
    the processor's caches. A round's ratio is that of its medians.

    Args:
        one: anything that answers.
        other: likewise.
        items: the task's items.
        rounds: fewest that make a spread.
        seconds: about how long all rounds together may take; each has 3 items at least.

    Raises:
        DataError: there are no items.
    """
    if len(items) == 0:
        raise DataError("There is no item to time. Give at least one.")
    items, both = list(items), (one, other)
    with _no_collection():
        for predictor in both:
            _warm_up(predictor, items, seconds / 20)
        once = sum(_time_once(predictor, items[:1]) for predictor in both)
        size = max(3, int(seconds * 1e9 / rounds / max(1, once)))
        asked = cycle(items)
        medians = []
        for number in range(rounds):
            mine = [next(asked) for _ in range(size)]
            order = both if number % 2 == 0 else both[::-1]
            found = [statistics.median(_time_once(each, [item]) for item in mine) / 1e3 for each in order]
            medians.append(found if number % 2 == 0 else found[::-1])
    ratios = [first / second for first, second in medians]
    low, ratio, high = (float(value) for value in np.percentile(ratios, [25, 50, 75]))
    first_us, second_us = (statistics.median(times) for times in zip(*medians, strict=True))
    return PairedTiming(first_us, second_us, ratio, (low, high), rounds)


def measure(
    predictor: Predictor,
    items: Sequence[Item],
    *,
    threads: int,
    warmup_s: float = 0.3,
    singles: int = 100,
    most_singles: int = 5_000,
    min_seconds: float = 1.0,
    batch_items: int = 10_000,
    batch_seconds: float = 5.0,
    repeats: int = 5,
) -> Cost:
    """Time a predictor on single items, then on many at once.

    Single items are taken in order, again from the first after the last, until ``singles`` calls and
    ``min_seconds`` are both reached, or ``most_singles`` calls. Garbage collection rests meanwhile.

    Args:
        predictor: anything that answers.
        items: the task's items; use the test split, whose lengths are the real ones. Of tagging an item is a
            sentence, however many words it has.
        threads: threads the predictor may use; recorded, not set.
        warmup_s: seconds of untimed single calls before the first timed one.
        singles: fewest timed single calls.
        most_singles: most timed single calls.
        min_seconds: shortest time spent on single calls, unless ``most_singles`` comes first.
        batch_items: most items given at once.
        batch_seconds: about how long all repeats together may take; a slow predictor gets fewer items, but
            never fewer than 32 if there are as many.
        repeats: timed batch calls.

    Raises:
        DataError: there are no items.
    """
    if len(items) == 0:
        raise DataError("There is no item to time. Give at least one.")
    items = list(items)
    with _no_collection():
        _warm_up(predictor, items, warmup_s)
        times = _time_singles(predictor, items, singles, most_singles, min_seconds)
        size = _batch_size(predictor, items, batch_items, batch_seconds / repeats)
        seconds = [_time_once(predictor, items[:size]) / 1e9 for _ in range(repeats)]
    p50, p95, p99 = (float(value) / 1e3 for value in np.percentile(times, [50, 95, 99]))
    return Cost(
        latency_us=Latency(p50, p95, p99),
        calls=len(times),
        throughput_per_s=size / statistics.median(seconds),
        throughput_range=(size / max(seconds), size / min(seconds)),
        batch_items=size,
        threads=threads,
        peak_memory_bytes=peak_memory_bytes(),
        cpu=cpu_name(),
    )


def peak_memory_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Highest resident memory of this process so far, in bytes; 0 where the platform does not tell.

    On Linux the kernel's ``VmHWM`` is read: ``getrusage`` there also counts what the parent process held
    before it started this one, which would charge a small student with the memory of its launcher.
    """
    if status.is_file():
        for line in status.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024  # "VmHWM:   8732 kB"
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere


def _time_once(predictor: Predictor, items: list[Item]) -> int:
    """Nanoseconds from raw items to answers."""
    start = time.perf_counter_ns()
    predictor.task.answers(predictor.logits(items))
    return time.perf_counter_ns() - start


def _warm_up(predictor: Predictor, items: list[Item], seconds: float) -> None:
    """Answer single items, at least one, for some seconds."""
    end = time.perf_counter() + seconds
    for item in cycle(items):
        _time_once(predictor, [item])
        if time.perf_counter() >= end:
            return


def _time_singles(
    predictor: Predictor, items: list[Item], fewest: int, most: int, min_seconds: float
) -> list[int]:
    """Nanoseconds of single calls."""
    times: list[int] = []
    start = time.perf_counter()
    for item in cycle(items):
        times.append(_time_once(predictor, [item]))
        enough = len(times) >= fewest and time.perf_counter() - start >= min_seconds
        if enough or len(times) >= most:
            break
    return times


def _batch_size(predictor: Predictor, items: list[Item], most: int, seconds: float) -> int:
    """How many items at once take about ``seconds``, judged by a first chunk."""
    chunk = items[: min(_FIRST_CHUNK, most)]
    fitting = int(seconds * 1e9 / max(1, _time_once(predictor, chunk)) * len(chunk))
    return max(len(chunk), min(len(items), most, fitting))


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Collect garbage now and then not again until the end of the block."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
