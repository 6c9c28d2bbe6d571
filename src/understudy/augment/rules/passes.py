"""Passes of a rule over texts and pairs, block by block; each block has a random generator of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import numpy as np

from understudy.augment.rules.word_arrays import BoolArray, WordArrays, read_sentences
from understudy.core.manifest import digest
from understudy.core.task import Item

Change = Callable[[np.random.Generator, int], tuple[WordArrays, BoolArray]]
"""Generator, number of the pass → varied texts of one block, and which of them differ from the original."""

Rule = Callable[[WordArrays], Change]
"""Texts of a block → how to vary them: what depends on the texts alone is computed once."""

BLOCK = 16_384
"""Texts in a block. A block's variants depend on its texts, its number and the seed alone."""


def step_seed(seed: int, name: str, place: int = 0) -> int:
    """A seed of a step's own, so that it does not matter what other steps draw.

    Args:
        seed: Seed of the pool.
        name: Name of the step.
        place: Place of the step among the steps of its name, from 0.
    """
    # The first step of a name keeps the seed that it had before places counted: old recipes give the same
    # pools.
    return int(digest([seed, name, place] if place else [seed, name])[:12], 16)


def step_seeds(seed: int, names: Iterable[str]) -> list[int]:
    """The seed of each step of a recipe; steps of one name have different ones."""
    places: Counter[str] = Counter()
    seeds = []
    for name in names:
        seeds.append(step_seed(seed, name, places[name]))
        places[name] += 1
    return seeds


def sides(items: Sequence[Item]) -> tuple[tuple[str, ...], ...]:
    """The texts as one column, or the pairs as two."""
    if items and not isinstance(items[0], str):
        return tuple(zip(*cast("Sequence[tuple[str, ...]]", items), strict=True))
    return (tuple(cast("Sequence[str]", items)),)


def variants(
    items: Sequence[Item], rule: Rule, *, passes: int, seed: int, first_block: int = 0
) -> Iterator[list[Item]]:
    """Every variant that differs from its text: one list for each block and pass, with duplicates.

    Of pairs, the first text is changed, then the second, then both, and so on (Tang et al. 2019, § 3.2). A
    rule whose operations take turns goes to its next one with each pass, and starts one operation later in
    each round of three passes, so that every operation changes every side.

    Args:
        items: Texts, or pairs.
        rule: How they are varied.
        passes: Passes over each text.
        seed: Seed of all draws.
        first_block: Number of the first block, for callers who cut into blocks themselves.
    """
    for number, start in enumerate(range(0, len(items), BLOCK), start=first_block):
        generator = np.random.default_rng([seed, number])
        yield from _block(sides(items[start : start + BLOCK]), rule, passes, generator)


def _block(
    columns: tuple[tuple[str, ...], ...], rule: Rule, passes: int, generator: np.random.Generator
) -> Iterator[list[Item]]:
    changes = [rule(read_sentences(column)) for column in columns]
    if len(columns) == 1:
        for number in range(passes):
            varied, changed = changes[0](generator, number)
            yield list(varied.texts(np.flatnonzero(changed)))
        return

    for number in range(passes):
        round_, turn = divmod(number, 3)
        changing = ((0,), (1,), (0, 1))[turn]
        yield _vary_pairs(columns, {side: changes[side](generator, round_ + turn) for side in changing})


def _vary_pairs(
    columns: tuple[tuple[str, ...], ...], varied: dict[int, tuple[WordArrays, BoolArray]]
) -> list[Item]:
    rows = np.flatnonzero(np.any([changed for _, changed in varied.values()], axis=0))
    new = [
        varied[side][0].texts(rows) if side in varied else [column[row] for row in rows.tolist()]
        for side, column in enumerate(columns)
    ]
    return list(zip(new[0], new[1], strict=True))
