"""Passes of a rule over texts and pairs, block by block, with a generator of its own for each block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np

from understudy.augment.rules.word_arrays import BoolArray, WordArrays, read_sentences
from understudy.core.manifest import digest
from understudy.core.task import Item

Change = Callable[[np.random.Generator, int], tuple[WordArrays, BoolArray]]
"""Generator, number of the pass → varied texts of one block, and which of them differ from the given ones."""

Rule = Callable[[WordArrays], Change]
"""Given the texts of a block, how to vary them: what depends on the texts alone is worked out once."""

BLOCK = 16_384
"""Texts a block. A block's variants depend on its texts, its number and the seed alone."""


def step_seed(seed: int, name: str) -> int:
    """A seed of a step's own, so that it does not matter what other steps draw."""
    return int(digest([seed, name])[:12], 16)


def sides(items: Sequence[Item]) -> tuple[tuple[str, ...], ...]:
    """The texts as one column, or the pairs as two."""
    if items and not isinstance(items[0], str):
        return tuple(zip(*cast("Sequence[tuple[str, ...]]", items), strict=True))
    return (tuple(cast("Sequence[str]", items)),)


def variants(
    items: Sequence[Item], rule: Rule, *, passes: int, seed: int, first_block: int = 0
) -> Iterator[list[Item]]:
    """Every variant that differs from its text: one list for each block and pass; duplicates are in it.

    Of pairs, the first text is changed, then the second, then both, and so on (Tang et al. 2019, § 3.2).
    What a rule does in turn moves on with each, and begins one later in each round: so it meets every side.

    Args:
        items: texts, or pairs.
        rule: how they are varied.
        passes: over each text.
        seed: of all draws.
        first_block: number of the first block, for callers who cut into blocks themselves.
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
        round_, place = divmod(number, 3)
        turn = ((0,), (1,), (0, 1))[place]
        yield _vary_pairs(columns, {side: changes[side](generator, round_ + place) for side in turn})


def _vary_pairs(
    columns: tuple[tuple[str, ...], ...], varied: dict[int, tuple[WordArrays, BoolArray]]
) -> list[Item]:
    rows = np.flatnonzero(np.any([changed for _, changed in varied.values()], axis=0))
    new = [
        varied[side][0].texts(rows) if side in varied else [column[row] for row in rows.tolist()]
        for side, column in enumerate(columns)
    ]
    return list(zip(new[0], new[1], strict=True))
