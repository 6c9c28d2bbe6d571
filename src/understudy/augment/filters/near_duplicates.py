"""Of texts that are nearly the same, keep the first: MinHash finds candidates, which are compared exactly."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from understudy.augment.filters.decision import Filtered, joined, keep_rows
from understudy.augment.registry import FILTER, StepContext, register
from understudy.core.checks import STRICT, check_positive
from understudy.core.task import Item
from understudy.errors import MissingExtraError, RecipeError
from understudy.tokenization.words import split

_TOGETHER = 4096  # texts whose signatures are computed at once

_MISS_WEIGHTS = (0.1, 0.9)
"""Weights of a needless comparison and of a miss: a comparison is exact, so it only costs time."""


@dataclass(frozen=True)
class NearDuplicatesConfig:
    """Of texts that are nearly the same, keep the first.

    Attributes:
        threshold: Jaccard similarity of their shingles from which on two texts are nearly the same.
        shingle: Words in a shingle; a shorter text is one shingle.
        permutations: Length of a MinHash signature, at least 8: longer is slower and more exact.
    """

    __pydantic_config__: ClassVar = STRICT

    threshold: float = 0.8
    shingle: int = 2
    permutations: int = 64

    def __post_init__(self) -> None:
        check_positive(shingle=self.shingle)
        if not 0.0 < self.threshold <= 1.0:
            raise RecipeError(f"threshold is {self.threshold}, but must be greater than 0 and at most 1.")
        if self.permutations < 8:
            raise RecipeError(f"permutations is {self.permutations}, but must be at least 8.")


@register("near-duplicates", FILTER, config=NearDuplicatesConfig, source="Broder 1997", keeps_words=True)
def near_duplicates(config: NearDuplicatesConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """The first of texts that are nearly the same."""
    return by_shingles(
        items,
        threshold=config.threshold,
        shingle=config.shingle,
        permutations=config.permutations,
        seed=tools.seed % 2**31,  # the library takes 32-bit seeds
    )


def by_shingles(
    items: Sequence[Item], *, threshold: float = 0.8, shingle: int = 2, permutations: int = 64, seed: int = 1
) -> Filtered:
    """Of texts that share most of their runs of words, keep the first.

    Candidates are found by MinHash and locality-sensitive hashing (Broder 1997; the library
    ``datasketch``), and then compared exactly: every removed text is at least as similar as ``threshold``,
    but a few near-duplicates may be missed.

    Args:
        items: ``n`` texts or pairs.
        threshold: Jaccard similarity of the sets of shingles.
        shingle: Words in a shingle; a text of fewer words is one shingle.
        permutations: Length of a signature.
        seed: Seed of the permutations.

    Raises:
        MissingExtraError: ``datasketch`` is not installed.
    """
    library = _datasketch()
    # Above 0.9 the library finds no division of a short signature into bands.
    index = library.MinHashLSH(threshold=min(threshold, 0.9), num_perm=permutations, weights=_MISS_WEIGHTS)
    kept: list[int] = []
    known: dict[int, frozenset[bytes]] = {}

    for start in range(0, len(items), _TOGETHER):
        sets = [shingles(item, shingle) for item in items[start : start + _TOGETHER]]
        signatures = library.MinHash.generator([list(s) for s in sets], num_perm=permutations, seed=seed)
        for row, (own, signature) in enumerate(zip(sets, signatures, strict=True), start=start):
            if any(_jaccard(own, known[other]) >= threshold for other in index.query(signature)):
                continue
            index.insert(row, signature, check_duplication=False)
            known[row] = own
            kept.append(row)

    reason = f"nearly the same as an earlier one (Jaccard {threshold:g} or more)"
    return keep_rows(np.array(kept, dtype=np.int64), len(items), reason)


def shingles(item: Item, size: int) -> frozenset[bytes]:
    """The runs of ``size`` words of a text; of a pair, those of its two texts one after the other."""
    words = split(joined(item))
    runs = (" ".join(words[start : start + size]) for start in range(max(1, len(words) - size + 1)))
    return frozenset(run.encode("utf-8", "surrogatepass") for run in runs)


def _jaccard(one: frozenset[bytes], other: frozenset[bytes]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _datasketch() -> Any:
    try:
        return importlib.import_module("datasketch")
    except ImportError as error:
        raise MissingExtraError(
            "Near-duplicates are found by the library datasketch, which is not installed: "
            "pip install 'understudy[augment]'."
        ) from error
