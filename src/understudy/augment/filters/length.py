"""Keep texts that are as long as labelled ones (Nityasya et al. 2022, section 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from understudy.augment.filters.decision import Filtered, keep_rows, word_counts
from understudy.augment.registry import FILTER, StepContext, register
from understudy.core.checks import STRICT, check_choice
from understudy.core.task import Item
from understudy.errors import DataError


@dataclass(frozen=True)
class LengthConfig:
    """Keep texts as long as labelled ones are.

    Attributes:
        by: ``min-max`` of the labelled texts' words, or their ``quartiles`` (Q1 to Q3).
    """

    __pydantic_config__: ClassVar = STRICT

    by: str = "min-max"

    def __post_init__(self) -> None:
        check_choice("bound of length", self.by, ("min-max", "quartiles"))


@register("length", FILTER, config=LengthConfig, source="Nityasya et al. 2022, section 6.3", keeps_words=True)
def length(config: LengthConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """Texts as long as labelled ones."""
    return by_length(items, tools.labelled, config.by)


def by_length(items: Sequence[Item], labelled: Sequence[Item], by: str = "min-max") -> Filtered:
    """Keep texts whose number of words lies within the bounds of labelled texts.

    Args:
        items: ``n`` texts or pairs.
        labelled: Texts that set the bounds.
        by: ``min-max``: from the shortest to the longest; ``quartiles``: from the first to the third
            quartile.

    Raises:
        DataError: There is no labelled text.
    """
    if not len(labelled):
        raise DataError("The filter of length takes its bounds from labelled texts, but there are none.")

    shares = (0.0, 1.0) if by == "min-max" else (0.25, 0.75)
    low, high = np.quantile(word_counts(labelled), shares)
    counts = word_counts(items)
    kept = np.flatnonzero((counts >= low) & (counts <= high))
    return keep_rows(kept, len(items), f"not {low:g} to {high:g} words long")
