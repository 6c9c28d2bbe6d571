"""Split rows at random: stratified by label, seeded, and equal texts always on the same side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from understudy.data.labels import Labelled
from understudy.data.leaks import normalise
from understudy.errors import DataError, RecipeError


@dataclass(frozen=True)
class Parts:
    """Row numbers of each part, ascending.

    Attributes:
        rows: part (``train``, ``dev``, ``test``) → row numbers.
        rare: labels with too few different texts to be split; all theirs are in ``train``.
    """

    rows: dict[str, list[int]]
    rare: tuple[str, ...]


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Each fraction lies within (0, 1), and so does their sum.

    Raises:
        RecipeError: one does not.
    """
    for name, fraction in fractions.items():
        if not 0 < fraction < 1:
            raise RecipeError(f"{name}_fraction must lie between 0 and 1, both excluded, but is {fraction}.")
    total = sum(fractions.values())
    if total >= 1:
        raise RecipeError(
            f"{' and '.join(fractions)} fractions add up to {total:g}: nothing is left for train."
        )


def split_rows(data: Labelled, fractions: Mapping[str, float], seed: int, where: str) -> Parts:
    """Take a share of each label's rows for each part; what remains is ``train``.

    Texts that are equal after `normalise` stay together, so that the split makes no leak. Each label gives
    each part at least one text, and at most its share where that is more.

    Args:
        data: the rows to split.
        fractions: part → share of the rows, e.g. ``{"dev": 0.1, "test": 0.1}``.
        seed: the same seed gives the same split.
        where: the file, for messages.

    Raises:
        DataError: fewer than two labels have a text for each part.
    """
    by_label = _group(data)
    needed = len(fractions) + 1
    rare = tuple(label for label, groups in by_label.items() if len(groups) < needed)
    if len(by_label) - len(rare) < 2:
        raise _too_few(data, by_label, needed, tuple(fractions), where)
    generator = np.random.default_rng(seed)
    rows: dict[str, list[int]] = {"train": [], **{part: [] for part in fractions}}
    for label, groups in by_label.items():
        if label in rare:
            rows["train"] += [row for group in groups for row in group]
            continue
        queue = [groups[number] for number in generator.permutation(len(groups))]
        total = sum(map(len, groups))
        for taken, (part, fraction) in enumerate(fractions.items(), start=1):
            quota = max(1, int(fraction * total + 0.5))
            chosen, queue = _take(queue, quota, keep=needed - taken)
            rows[part] += chosen
        rows["train"] += [row for group in queue for row in group]
    return Parts({part: sorted(numbers) for part, numbers in rows.items()}, rare)


def _group(data: Labelled) -> dict[str, list[list[int]]]:
    """Label → groups of rows whose texts are equal; a text under two labels goes with the first."""
    groups: dict[str, list[int]] = {}
    for row, text in enumerate(data.texts):
        groups.setdefault(normalise(text), []).append(row)
    by_label: dict[str, list[list[int]]] = {label: [] for label in sorted(set(data.labels))}
    for group in groups.values():
        by_label[data.labels[group[0]]].append(group)
    return by_label


def _take(queue: Sequence[list[int]], quota: int, keep: int) -> tuple[list[int], list[list[int]]]:
    """Rows of the first groups that fit into ``quota``, at least one; at least ``keep`` groups are left."""
    taken: list[int] = []
    left: list[list[int]] = []
    spare = len(queue) - keep
    for group in queue:
        if spare > 0 and len(taken) + len(group) <= quota:
            taken += group
            spare -= 1
        else:
            left.append(group)
    if not taken:
        smallest = min(left, key=len)
        left.remove(smallest)
        taken = smallest
    return taken, left


def _too_few(
    data: Labelled, by_label: Mapping[str, Sequence[list[int]]], needed: int, parts: Sequence[str], where: str
) -> DataError:
    counts = Counter({label: len(groups) for label, groups in by_label.items()}).most_common(5)
    shown = ", ".join(f"{label!r} has {count}" for label, count in counts)
    names = "train and " + " and ".join(parts) if len(parts) == 1 else "train, " + " and ".join(parts)
    rows = f"{len(data)} row" + ("s" if len(data) != 1 else "")
    return DataError(
        f"{where} has {rows}, too few to split into {names}: at least two labels need {needed} different "
        f"texts each, one for each part, which makes {2 * needed} rows; {shown}. Add rows, or put files for "
        f"{' and '.join(parts)} beside it."
    )
