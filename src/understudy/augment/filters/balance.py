"""Bring the labels that the teacher gives to one size (Nityasya et al. 2022, section 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from understudy.augment.filters.decision import Filtered, keep_rows, teacher_logits
from understudy.augment.registry import FILTER, StepContext, register
from understudy.core.checks import STRICT, check_choice
from understudy.core.task import FloatArray, IntArray, Item


@dataclass(frozen=True)
class BalanceConfig:
    """Bring the labels that the teacher gives to one size.

    Attributes:
        by: A label keeps at most the ``median`` or the ``mean`` of the labels' counts, drawn at random.
        oversample: Whether texts of rarer labels are repeated up to that size; ``None``: only with the mean.
    """

    __pydantic_config__: ClassVar = STRICT

    by: str = "median"
    oversample: bool | None = None

    def __post_init__(self) -> None:
        check_choice("size of a label", self.by, ("median", "mean"))

    @property
    def is_oversampling(self) -> bool:
        """Whether rare labels are repeated."""
        return self.by == "mean" if self.oversample is None else self.oversample


@register(
    "balance", FILTER, config=BalanceConfig, source="Nityasya et al. 2022, section 6.4", needs_teacher=True
)
def balance(config: BalanceConfig, items: Sequence[Item], tools: StepContext) -> Filtered:
    """Labels of one size."""
    logits = teacher_logits("balance", items, tools)
    return by_balance(logits, by=config.by, oversample=config.is_oversampling, seed=tools.seed)


def by_balance(
    logits: FloatArray, *, by: str = "median", oversample: bool = False, seed: int = 0
) -> Filtered:
    """Let no label have more texts than the median or the mean of the labels' counts.

    Labels that no text has are not counted.

    Args:
        logits: ``(n, c)`` The teacher's logits; the highest one is a text's label.
        by: ``median`` or ``mean``, rounded.
        oversample: Whether texts of rarer labels are repeated up to that size, all of them equally often or
            some once more.
        seed: Seed of the draws.
    """
    labels = logits.argmax(axis=-1) if len(logits) else np.zeros(0, dtype=np.int64)
    counts = np.bincount(labels)
    present = np.flatnonzero(counts)
    middle = np.median if by == "median" else np.mean
    size = int(np.rint(middle(counts[present]))) if len(present) else 0

    generator = np.random.default_rng(seed)
    kept: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    for label in present.tolist():
        rows = generator.permutation(np.flatnonzero(labels == label))
        kept.append(np.resize(rows, size) if oversample else rows[:size])

    reason = f"its label has more than {size:,} texts, the {by}"
    return keep_rows(np.concatenate(kept), len(logits), reason)
