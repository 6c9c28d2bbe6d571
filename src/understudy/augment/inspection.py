"""What became of a pool: lengths before and after, balance of labels, and texts to look at, as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from understudy.augment.dedup import SHOWN, Removed, pick
from understudy.augment.filters.basic import word_counts
from understudy.augment.pool import GIVEN, Pool, StepReport
from understudy.augment.streamed_pool import PoolTexts
from understudy.core.task import FloatArray, IntArray, Item

MOST_WORDS = 60
"""Longer texts share the last bin of a histogram."""


@dataclass(frozen=True)
class Lengths:
    """Words of a text, over many texts; all 0 where there is none.

    Attributes:
        texts: how many.
        least: words of the shortest.
        q1: first quartile.
        median: second quartile.
        mean: average.
        q3: third quartile.
        most: words of the longest.
        histogram: texts by number of words, from 0 to `MOST_WORDS`; the last bin is "as many or more".
    """

    texts: int
    least: int
    q1: float
    median: float
    mean: float
    q3: float
    most: int
    histogram: tuple[int, ...]


@dataclass(frozen=True)
class Inspection:
    """Numbers of a pool, in the shape of Nityasya et al. 2022, Table 11, and texts to look at.

    Attributes:
        labelled: lengths of the labelled texts.
        lengths: name of the pool's beginning and of each step, with the lengths of the pool after it.
        steps: what each step did.
        balance: label → texts in the pool with that label, by the teacher; empty without its answers.
        labelled_balance: label → labelled texts; empty where it is not known.
        survivors: some texts of the pool, at random.
        victims: some removed texts of all steps, at random.
    """

    labelled: Lengths
    lengths: tuple[tuple[str, Lengths], ...]
    steps: tuple[StepReport, ...]
    balance: dict[str, int]
    labelled_balance: dict[str, int]
    survivors: tuple[Item, ...]
    victims: tuple[Removed, ...]

    @property
    def widest(self) -> Lengths:
        """Lengths of the pool where it was largest: before filters, as a rule."""
        return max((lengths for _, lengths in self.lengths), key=lambda lengths: lengths.texts)

    @property
    def final(self) -> Lengths:
        """Lengths of the pool after the last step."""
        return self.lengths[-1][1]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        steps = [{**asdict(step), "lengths": step.lengths.tolist()} for step in self.steps]
        return {**asdict(self), "lengths": [[n, asdict(found)] for n, found in self.lengths], "steps": steps}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Inspection:
        """Rebuild an inspection from `to_dict`, also after JSON."""
        return cls(
            labelled=_lengths(data["labelled"]),
            lengths=tuple((name, _lengths(found)) for name, found in data["lengths"]),
            steps=tuple(_report(step) for step in data["steps"]),
            balance=dict(data["balance"]),
            labelled_balance=dict(data["labelled_balance"]),
            survivors=_items(data["survivors"]),
            victims=_victims(data["victims"]),
        )


def _lengths(data: Mapping[str, Any]) -> Lengths:
    return Lengths(**{**data, "histogram": tuple(data["histogram"])})


def _items(values: Sequence[Any]) -> tuple[Item, ...]:
    return tuple(value if isinstance(value, str) else (value[0], value[1]) for value in values)


def _victims(values: Sequence[Mapping[str, Any]]) -> tuple[Removed, ...]:
    items = _items([value["item"] for value in values])
    return tuple(Removed(item, value["reason"]) for item, value in zip(items, values, strict=True))


def _report(data: Mapping[str, Any]) -> StepReport:
    shown = {"survivors": _items(data["survivors"]), "victims": _victims(data["victims"])}
    return StepReport(**{**data, **shown, "lengths": np.array(data["lengths"], dtype=np.int64)})


def inspect_pool(
    pool: Pool,
    labelled: Sequence[Item],
    *,
    labels: Sequence[str] = (),
    gold: IntArray | None = None,
    logits: FloatArray | None = None,
    seed: int = 0,
) -> Inspection:
    """Gather the numbers of a pool.

    Args:
        pool: as `build_pool` made it.
        labelled: labelled texts, to compare with.
        labels: label names in the order of columns.
        gold: ``(len(labelled),)`` their label columns.
        logits: ``(len(pool), c)`` the teacher's answers.
        seed: of what is shown.
    """
    victims = [victim for report in pool.reports for victim in report.victims]
    return Inspection(
        labelled=summarise(np.bincount(word_counts(labelled))),
        lengths=tuple((report.name, summarise(report.lengths)) for report in pool.reports),
        steps=pool.reports,
        balance=_balance(labels, None if logits is None else logits.argmax(axis=-1)),
        labelled_balance=_balance(labels, gold),
        survivors=pick(pool.items, np.arange(len(pool)), SHOWN, seed),
        victims=pick(victims, np.arange(len(victims)), SHOWN, seed),
    )


SAMPLE = 100_000
"""Texts of a streamed pool whose words are counted."""


def inspect_streamed(
    pool: PoolTexts,
    labelled: Sequence[Item],
    *,
    labels: Sequence[str] = (),
    gold: IntArray | None = None,
    seed: int = 0,
) -> Inspection:
    """Gather the numbers of a pool on disk; lengths are estimated from texts at even distances.

    Seconds are left at 0: one pass over the texts makes all steps.

    Args:
        pool: that `stream_pool` wrote.
        labelled: labelled texts, to compare with.
        labels: label names in the order of columns.
        gold: ``(len(labelled),)`` their label columns.
        seed: of what is shown.
    """
    apart = max(1, len(pool) // SAMPLE)
    items, origins = pool.sample(apart)
    words, reports, total = word_counts(items), [], 0
    for number, count in enumerate(pool.counts, start=GIVEN):
        mine = np.flatnonzero(origins == number)
        before, total = total, total + count.kept
        lengths = _scaled(np.bincount(words[origins <= number]), total)
        survivors = pick(items, mine, SHOWN, seed)
        shown = (0.0, survivors, count.victims)
        reports.append(StepReport(count.name, before, count.made, count.removed, 0, total, lengths, *shown))
    victims = [victim for report in reports for victim in report.victims]
    return Inspection(
        labelled=summarise(np.bincount(word_counts(labelled))),
        lengths=tuple((report.name, summarise(report.lengths)) for report in reports),
        steps=tuple(reports),
        balance={},
        labelled_balance=_balance(labels, gold),
        survivors=pick(items, np.arange(len(items)), SHOWN, seed),
        victims=pick(victims, np.arange(len(victims)), SHOWN, seed),
    )


def _scaled(counts: IntArray, total: int) -> IntArray:
    """Counts of a sample brought to the total that they stand for; what rounding loses is the commonest's."""
    if not counts.sum():
        return np.zeros(1, dtype=np.int64)
    scaled: IntArray = np.rint(counts * (total / counts.sum())).astype(np.int64)
    scaled[scaled.argmax()] += total - scaled.sum()
    return scaled


def summarise(counts: IntArray) -> Lengths:
    """Quartiles, mean and histogram from counts: ``counts[k]`` texts have k words."""
    total = int(counts.sum())
    short = np.zeros(MOST_WORDS + 1, dtype=np.int64)
    if not total:
        return Lengths(0, 0, 0.0, 0.0, 0.0, 0.0, 0, tuple(short.tolist()))
    np.add.at(short, np.minimum(np.arange(len(counts)), MOST_WORDS), counts)
    present = np.flatnonzero(counts)
    words = np.arange(len(counts))
    q1, median, q3 = (_quantile(counts, share) for share in (0.25, 0.5, 0.75))
    return Lengths(
        texts=total,
        least=int(present[0]),
        q1=q1,
        median=median,
        mean=float(counts @ words / total),
        q3=q3,
        most=int(present[-1]),
        histogram=tuple(short.tolist()),
    )


def _quantile(counts: IntArray, share: float) -> float:
    """A quantile, interpolated as `numpy.quantile` does."""
    ends = np.cumsum(counts)
    place = share * (int(ends[-1]) - 1)
    low, high = np.searchsorted(ends, [np.floor(place), np.ceil(place)], side="right")
    return float(low + (high - low) * (place - np.floor(place)))


def _balance(labels: Sequence[str], columns: IntArray | None) -> dict[str, int]:
    if columns is None or not labels:
        return {}
    counts = np.bincount(columns, minlength=len(labels))
    return dict(zip(labels, counts.tolist(), strict=True))
