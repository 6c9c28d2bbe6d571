"""Split rows at random: seeded, stratified where there is one label a row, equal texts on the same side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from understudy.core.wording import plural
from understudy.data.labels import Labelled
from understudy.data.leakage import Normaliser, normalise
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


def split_rows(
    data: Labelled,
    fractions: Mapping[str, float],
    seed: int,
    where: str,
    *,
    stratified: bool = True,
    normaliser: Normaliser = normalise,
) -> Parts:
    """Take a share of each label's rows for each part; what remains is ``train``.

    Texts that are equal after ``normaliser`` stay together, so that the split makes no leak. Each label gives
    each part at least one text, and at most its share where that is more.

    Args:
        data: The rows to split.
        fractions: Part → share of the rows, e.g. ``{"dev": 0.1, "test": 0.1}``.
        seed: The same seed gives the same split.
        where: The file, for messages.
        stratified: Whether shares are taken label by label, which needs one label a row; else they are taken
            of all rows together.
        normaliser: Gives the form in which items are compared.

    Raises:
        DataError: fewer than two labels (or, not stratified, none) have a text for each part.
    """
    by_label = _group(data, normaliser, stratified)
    needed = len(fractions) + 1
    rare = tuple(label for label, groups in by_label.items() if len(groups) < needed)
    if len(by_label) - len(rare) < (2 if stratified else 1):
        raise _too_few(len(data), by_label if stratified else {}, needed, tuple(fractions), where)

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


def _group(data: Labelled, normaliser: Normaliser, stratified: bool) -> dict[str, list[list[int]]]:
    """Label → groups of rows whose texts are equal; a text under two labels goes with the first."""
    groups: dict[str, list[int]] = {}
    for row, text in enumerate(data.texts):
        groups.setdefault(normaliser(text), []).append(row)
    strata = list(map(str, data.labels)) if stratified else [""] * len(data)
    by_label: dict[str, list[list[int]]] = {label: [] for label in sorted(set(strata))}
    for group in groups.values():
        by_label[strata[group[0]]].append(group)
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
    count: int, by_label: Mapping[str, Sequence[list[int]]], needed: int, parts: Sequence[str], where: str
) -> DataError:
    counts = Counter({label: len(groups) for label, groups in by_label.items()}).most_common(5)
    shown = ", ".join(f"{label!r} has {number}" for label, number in counts)
    names = "train and " + " and ".join(parts) if len(parts) == 1 else "train, " + " and ".join(parts)
    rows = plural(count, "row")
    wanted = (
        f"at least two labels need {needed} different texts each, one for each part, which makes "
        f"{2 * needed} rows; {shown}"
        if by_label
        else f"each part needs a different text, which makes {needed} rows"
    )
    return DataError(
        f"{where} has {rows}, too few to split into {names}: {wanted}. Add rows, or put files for "
        f"{' and '.join(parts)} beside it."
    )
