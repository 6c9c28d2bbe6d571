"""Turns: contestants do the same work one after the other, again and again, so that noise meets all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

Block = Callable[[], int]
"""Does a block of work, and says how many texts that were."""


@dataclass
class Found:
    """What a contestant took in each turn, in seconds a text: by the wall's clock, and of processor time."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def of(self, clock: str) -> list[float]:
        """The turns by one of the two clocks."""
        return self.cpu if clock == "cpu" else self.wall


def turns(contestants: Mapping[str, Block], repeats: int) -> dict[str, Found]:
    """Let each do its block in each of ``repeats`` turns, after one that is not counted.

    Each turn begins with another contestant, so that none always follows the same one. Garbage collection
    rests meanwhile.
    """
    found = {name: Found() for name in contestants}
    names = list(contestants)
    gc.collect()
    gc.disable()
    try:
        for turn in range(repeats + 1):
            first = turn % max(1, len(names))
            for name in names[first:] + names[:first]:
                wall, cpu = time.perf_counter(), time.process_time()
                texts = contestants[name]()
                cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
                if turn:
                    found[name].wall.append(wall / texts)
                    found[name].cpu.append(cpu / texts)
    finally:
        gc.enable()
    return found


def one_by_one(answer: Callable[[str], Any], texts: Sequence[str], seconds: float) -> Block:
    """A block of single texts that takes about ``seconds``; the loop's own 20 ns a text are in the figure."""
    some = list(texts[:4])
    for text in some:
        answer(text)
    started = time.process_time()
    for text in some:
        answer(text)
    each = max(1e-8, (time.process_time() - started) / len(some))
    asked = list(islice(cycle(texts), max(2, min(500_000, int(seconds / each)))))

    def block() -> int:
        for text in asked:
            answer(text)
        return len(asked)

    return block


def at_once(answer: Callable[[list[str]], Any], texts: Sequence[str], seconds: float) -> Block:
    """A block that answers a list of texts, as long as takes about ``seconds``."""
    some = list(texts[:32])
    answer(some)
    started = time.perf_counter()
    answer(some)
    each = max(1e-8, (time.perf_counter() - started) / len(some))
    asked = list(islice(cycle(texts), max(32, min(200_000, int(seconds / each)))))

    def block() -> int:
        answer(asked)
        return len(asked)

    return block


def rows(found: Mapping[str, Found], base: str, clock: str) -> list[dict[str, Any]]:
    """Medians, spreads, and what each takes beside ``base`` in the same turn.

    Args:
        found: as `turns` gives it.
        base: the contestant that others are compared with.
        clock: ``cpu`` or ``wall``; which one the ratio is of.
    """
    made = []
    for name, each in found.items():
        ratios = [other / own for other, own in zip(each.of(clock), found[base].of(clock), strict=True)]
        made.append(
            {
                "name": name,
                "us": statistics.median(each.of(clock)) * 1e6,
                "us_range": [min(each.of(clock)) * 1e6, max(each.of(clock)) * 1e6],
                "wall_us": statistics.median(each.wall) * 1e6,
                "cpu_us": statistics.median(each.cpu) * 1e6,
                "per_s": 1 / statistics.median(each.of(clock)),
                "ratio": statistics.median(ratios),
                "ratio_range": [min(ratios), max(ratios)],
                "clock": clock,
            }
        )
    return made


def show(title: str, table: Sequence[Mapping[str, Any]], base: str, *, rate: bool = False) -> None:
    """Print a group's table: microseconds a text, or texts a second."""
    print(f"\n{title}; ratios to {base!r}, paired by turn")
    for row in table:
        low, high = row["us_range"]
        figure = f"{row['per_s']:>12,.0f}/s" if rate else f"{row['us']:>11,.2f} µs"
        spread = f"({1e6 / high:,.0f}-{1e6 / low:,.0f})" if rate else f"({low:,.2f}-{high:,.2f})"
        between = "{:,.4g}-{:,.4g}".format(*row["ratio_range"])
        print(f"  {row['name']:<34}{figure} {spread:<25} x{row['ratio']:<9,.4g} ({between})")


def ratio(table: Sequence[Mapping[str, Any]], name: str, base: str, clock: str | None = None) -> float | None:
    """How many times as long ``name`` takes as ``base``, by medians; ``None`` where one is missing."""
    key = "us" if clock is None else f"{clock}_us"
    found = {row["name"]: row[key] for row in table}
    return found[name] / found[base] if name in found and base in found else None
