"""Keep texts of which the teacher is neither too sure nor too unsure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from understudy.augment.filters.decision import Filtered, keep_rows, teacher_logits
from understudy.augment.registry import FILTER, StepContext, register
from understudy.core.checks import STRICT
from understudy.core.task import FloatArray, Item
from understudy.errors import RecipeError


@dataclass(frozen=True)
class ConfidenceConfig:
    """Keep texts whose likeliest label has a probability in ``[low, high]``, by the teacher."""

    __pydantic_config__: ClassVar = STRICT

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.low < self.high <= 1.0:
            raise RecipeError(
                f"low is {self.low} and high is {self.high}, but they must satisfy 0 ≤ low < high ≤ 1."
            )


@register("confidence", FILTER, config=ConfidenceConfig, source="", needs_teacher=True)
def confidence(config: ConfidenceConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """Texts of which the teacher is neither too sure nor too unsure."""
    return by_confidence(teacher_logits("confidence", items, tools), config.low, config.high)


def by_confidence(logits: FloatArray, low: float, high: float) -> Filtered:
    """Keep texts whose highest probability, by softmax over ``(n, c)`` logits, lies in ``[low, high]``."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    highest = weights.max(axis=-1, initial=0.0) / weights.sum(axis=-1)
    kept = np.flatnonzero((highest >= low) & (highest <= high))
    return keep_rows(kept, len(logits), f"the teacher's confidence is not {low:g} to {high:g}")
