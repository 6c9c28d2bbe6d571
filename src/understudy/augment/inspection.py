"""What became of a pool: lengths before and after, balance of labels, and some texts to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from understudy.augment.dedup import SHOWN, Removed, pick
from understudy.augment.filters.decision import word_counts
from understudy.augment.pool import GIVEN, Pool, StepReport
from understudy.augment.pool_files import PoolTexts
from understudy.core.items import from_json
from understudy.core.task import FloatArray, IntArray, Item
from understudy.errors import ArtifactError

Json = Mapping[str, Any]
"""An object that was read from JSON."""

MOST_WORDS = 60
"""Longer texts share the last bin of a histogram."""


@dataclass(frozen=True)
class Lengths:
    """Words of a text, over many texts; all 0 where there is none.

    Attributes:
        texts: Number of texts.
        least: Words of the shortest.
        q1: First quartile.
        median: Second quartile.
        mean: Average.
        q3: Third quartile.
        most: Words of the longest.
        histogram: Texts by number of words, from 0 to `MOST_WORDS`; the last bin is "as many or more".
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
        labelled: Lengths of the labelled texts.
        lengths: Name of the pool's beginning and of each step, with the lengths of the pool after it.
        steps: What each step did.
        balance: Label → texts in the pool with that label, by the teacher; empty without its answers.
        labelled_balance: Label → labelled texts; empty where it is not known.
        survivors: Some texts of the pool, at random.
        victims: Some removed texts of all steps, at random.
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

    def to_dict(self) -> dict[str, object]:
        """The inspection, JSON-ready."""
        steps = [{**asdict(step), "lengths": step.lengths.tolist()} for step in self.steps]
        lengths = [[name, asdict(after)] for name, after in self.lengths]
        return {**asdict(self), "lengths": lengths, "steps": steps}

    @classmethod
    def from_dict(cls, data: Json) -> Inspection:
        """Rebuild an inspection from `to_dict`, also after JSON.

        Raises:
            ArtifactError: Something is missing, or is not what it should be.
        """
        try:
            return cls(
                labelled=_lengths(data["labelled"]),
                lengths=tuple((name, _lengths(after)) for name, after in data["lengths"]),
                steps=tuple(_report(step) for step in data["steps"]),
                balance=dict(data["balance"]),
                labelled_balance=dict(data["labelled_balance"]),
                survivors=_items(data["survivors"]),
                victims=_victims(data["victims"]),
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"The inspection of the pool is damaged ({error!r}). Run the stage augment again."
            ) from error


def _lengths(data: Json) -> Lengths:
    return Lengths(**{**data, "histogram": tuple(data["histogram"])})


def _items(values: Sequence[str | Sequence[str]]) -> tuple[Item, ...]:
    items = tuple(map(from_json, values))
    if () in items:
        raise ValueError("an item without words")
    return items


def _victims(values: Sequence[Json]) -> tuple[Removed, ...]:
    items = _items([value["item"] for value in values])
    return tuple(Removed(item, value["reason"]) for item, value in zip(items, values, strict=True))


def _report(data: Json) -> StepReport:
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
        pool: Pool that `build_pool` made.
        labelled: Labelled texts, to compare with.
        labels: Label names in the order of columns.
        gold: ``(len(labelled),)`` Their label columns.
        logits: ``(len(pool), c)`` The teacher's answers.
        seed: Seed of the draw of shown texts.
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

    Args:
        pool: Pool that `stream_pool` wrote.
        labelled: Labelled texts, to compare with.
        labels: Label names in the order of columns.
        gold: ``(len(labelled),)`` Their label columns.
        seed: Seed of the draw of shown texts.
    """
    items, origins = pool.sample(max(1, len(pool) // SAMPLE))
    words = word_counts(items)

    reports: list[StepReport] = []
    before = 0
    for number, count in enumerate(pool.counts, start=GIVEN):
        after = before + count.kept
        reports.append(
            StepReport(
                name=count.name,
                before=before,
                made=count.made,
                removed=count.removed,
                repeated=0,
                after=after,
                lengths=_scaled(np.bincount(words[origins <= number]), after),
                seconds=0.0,  # one pass over the texts makes all steps
                survivors=pick(items, np.flatnonzero(origins == number), SHOWN, seed),
                victims=count.victims,
            )
        )
        before = after

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
    """Counts of a sample, scaled to the total; the largest count takes what rounding loses."""
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
        return Lengths(
            texts=0, least=0, q1=0.0, median=0.0, mean=0.0, q3=0.0, most=0, histogram=tuple(short.tolist())
        )

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
