"""The one clock: what a prediction costs, measured alike for every Predictor.

What is timed is what a user calls: a raw item in (a text, a pair of texts, the words of a sentence), its
answer out, tokenisation included. That is ``predict(item)`` of a predictor that has it, such as an exported
student, else its logits and the decision on them.

Reading the clock twice takes about as long as the fastest student takes for a text. Calls shorter than
`SHORT_US` are therefore repeated on the same item between two readings, and their mean counts as one
measurement; percentiles are taken over the measurements, so over items. What the loop and the call itself
cost is measured by a call that does nothing. It is part of every latency, as it is for a user, and is
reported beside them as ``call_us``, never subtracted.

A fair comparison runs each predictor in a process of its own, so that peak memory is its own too, and limits
the threads (``OMP_NUM_THREADS``, ``torch.set_num_threads``, session options) before the predictor is loaded.
"""

from __future__ import annotations

import contextlib
import gc
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Protocol, TypedDict, TypeVar, runtime_checkable

import numpy as np

from understudy.core.task import Item, Predictor
from understudy.errors import DataError
from understudy.evaluation.machine import cpu_name

SHORT_US = 20.0
"""Calls shorter than this are repeated until a measurement takes as long, in microseconds.

A reading of the clock costs 0.05 to 0.1 microseconds, so that it stays below 1 % of a measurement.
"""

_FIRST_CHUNK = 32  # items that tell how many fit into the time for a batch
_FIRST_SINGLES = 20  # single calls that tell how long one takes
_EMPTY_CALLS = 20_000  # calls of nothing, about a millisecond

Answer = Callable[[Item], object]
"""Answers one item."""

T = TypeVar("T")
"""An item, or a list of them."""


@runtime_checkable
class Answering(Protocol):
    """A predictor that has a call of its own for the answer to one item or to a list of them."""

    def predict(self, items: Item | list[Item]) -> object:
        """The answer to one item, or the list of answers to many."""
        ...


class LatencyRecord(TypedDict):
    """Percentiles of the time for one item, in microseconds."""

    p50: float
    p95: float
    p99: float


class CostRecord(TypedDict):
    """`Cost` in JSON-ready form."""

    latency_us: LatencyRecord
    call_us: float
    calls: int
    throughput_per_s: float
    throughput_range: list[float]
    batch_items: int
    threads: int
    peak_memory_bytes: int
    cpu: str


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
        latency_us: Time for a single item, microseconds.
        call_us: Time of a call that does nothing, in the same loop: the part of ``latency_us`` that no
            predictor can avoid, microseconds.
        calls: Measurements of single items; each is one call, or the mean of several where calls are short.
        throughput_per_s: Items a second when many are given at once; the median of the repeats.
        throughput_range: Slowest and fastest repeat, items a second.
        batch_items: Items given at once.
        threads: Threads that the predictor was allowed to use, as the caller states.
        peak_memory_bytes: Highest resident memory of this process so far; 0 where the platform does not tell.
        cpu: Processor model.
    """

    latency_us: Latency
    call_us: float
    calls: int
    throughput_per_s: float
    throughput_range: tuple[float, float]
    batch_items: int
    threads: int
    peak_memory_bytes: int
    cpu: str

    def to_dict(self) -> CostRecord:
        """A JSON-ready form."""
        latency = LatencyRecord(p50=self.latency_us.p50, p95=self.latency_us.p95, p99=self.latency_us.p99)
        return CostRecord(
            latency_us=latency,
            call_us=self.call_us,
            calls=self.calls,
            throughput_per_s=self.throughput_per_s,
            throughput_range=list(self.throughput_range),
            batch_items=self.batch_items,
            threads=self.threads,
            peak_memory_bytes=self.peak_memory_bytes,
            cpu=self.cpu,
        )


@dataclass(frozen=True)
class PairedTiming:
    """Two predictors, timed in turns on the same single items.

    Attributes:
        one_us: Median time of the first for an item, microseconds.
        other_us: Median time of the second for an item, microseconds.
        ratio: Time of the first over time of the second, the median of the rounds. Above 1 the second wins.
        quartiles: First and third quartile of the rounds' ratios.
        rounds: Number of rounds; in each, both answer the same items.
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
        one: The first predictor.
        other: The second predictor.
        items: The task's items.
        rounds: Number of rounds.
        seconds: About how long all rounds together may take; each round has at least 3 items.

    Raises:
        DataError: There are no items.
    """
    if len(items) == 0:
        raise DataError("There is no item to time. Give at least one.")
    items, both = list(items), (_for_one(one), _for_one(other))

    with _no_collection():
        for answer in both:
            _warm_up(answer, items, seconds / 20)
        once = sum(_time(answer, items[0]) for answer in both)
        size = max(3, int(seconds * 1e9 / rounds / max(1, once)))

        asked = cycle(items)
        medians = []
        for number in range(rounds):
            chosen = [next(asked) for _ in range(size)]
            order = both if number % 2 == 0 else both[::-1]
            times = [statistics.median(_time(answer, item) for item in chosen) / 1e3 for answer in order]
            medians.append(times if number % 2 == 0 else times[::-1])

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

    Single items are taken in order, again from the first after the last, until ``singles`` measurements and
    ``min_seconds`` are both reached, or ``most_singles`` measurements. A measurement is one call, or the mean
    of several calls on one item where calls are shorter than `SHORT_US`. Garbage collection rests meanwhile.

    Args:
        predictor: The predictor to time.
        items: The task's items; use the test split, whose lengths are the real ones. In tagging, an item is a
            sentence, however many words it has.
        threads: Threads that the predictor may use; recorded, not set.
        warmup_s: Seconds of untimed single calls before the first timed one.
        singles: Fewest measurements of single items.
        most_singles: Most measurements of single items.
        min_seconds: Shortest time spent on single items, unless ``most_singles`` comes first.
        batch_items: Most items given at once.
        batch_seconds: About how long all repeats together may take; a slow predictor gets fewer items, but
            never fewer than 32 if there are as many.
        repeats: Timed batch calls.

    Raises:
        DataError: There are no items.
    """
    if len(items) == 0:
        raise DataError("There is no item to time. Give at least one.")
    items, answer, answer_all = list(items), _for_one(predictor), _for_many(predictor)

    with _no_collection():
        _warm_up(answer, items, warmup_s)
        times = _time_singles(answer, items, singles, most_singles, min_seconds)
        size = _batch_size(answer_all, items, batch_items, batch_seconds / repeats)
        seconds = [_time(answer_all, items[:size]) / 1e9 for _ in range(repeats)]
        call_us = empty_call_us()

    p50, p95, p99 = (float(value) / 1e3 for value in np.percentile(times, [50, 95, 99]))
    return Cost(
        latency_us=Latency(p50, p95, p99),
        call_us=call_us,
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


def empty_call_us() -> float:
    """Time of a call that does nothing, as the loop that times single items makes it, in microseconds."""
    return statistics.median(_time(id, "", _EMPTY_CALLS) for _ in range(5)) / 1e3


def _for_one(predictor: Predictor) -> Answer:
    """What a user calls for the answer to one item."""
    if isinstance(predictor, Answering):
        return predictor.predict
    return lambda item: predictor.task.answers(predictor.logits([item]))


def _for_many(predictor: Predictor) -> Callable[[list[Item]], object]:
    """What a user calls for the answers to many items."""
    if isinstance(predictor, Answering):
        return predictor.predict
    return lambda items: predictor.task.answers(predictor.logits(items))


def _time(answer: Callable[[T], object], asked: T, calls: int = 1) -> float:
    """Nanoseconds of a call, the mean of ``calls`` between two readings of the clock."""
    repeated = [asked] * calls
    start = time.perf_counter_ns()
    for each in repeated:
        answer(each)
    return (time.perf_counter_ns() - start) / calls


def _warm_up(answer: Answer, items: list[Item], seconds: float) -> None:
    """Answer single items, at least one, for some seconds."""
    end = time.perf_counter() + seconds
    for item in cycle(items):
        answer(item)
        if time.perf_counter() >= end:
            return


def _calls_a_measurement(answer: Answer, items: list[Item]) -> int:
    """How many calls on one item a measurement takes: one, unless a call is shorter than `SHORT_US`."""
    if _time(answer, items[0]) >= 10 * SHORT_US * 1e3:  # far from short: no further item is needed to know
        return 1
    usual = statistics.median(_time(answer, item) for item in islice(cycle(items), _FIRST_SINGLES))
    return max(1, math.ceil(SHORT_US * 1e3 / max(1.0, usual)))


def _time_singles(
    answer: Answer, items: list[Item], fewest: int, most: int, min_seconds: float
) -> list[float]:
    """Nanoseconds of single items."""
    calls = _calls_a_measurement(answer, items)
    times: list[float] = []
    start = time.perf_counter()
    for item in cycle(items):
        times.append(_time(answer, item, calls))
        enough = len(times) >= fewest and time.perf_counter() - start >= min_seconds
        if enough or len(times) >= most:
            break
    return times


def _batch_size(
    answer_all: Callable[[list[Item]], object], items: list[Item], most: int, seconds: float
) -> int:
    """How many items at once take about ``seconds``, judged by a first chunk."""
    chunk = items[: min(_FIRST_CHUNK, most)]
    fitting = int(seconds * 1e9 / max(1, _time(answer_all, chunk)) * len(chunk))
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
