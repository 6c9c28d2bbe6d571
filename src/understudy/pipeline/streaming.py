"""Decide whether a run streams: its pool then stays on disk and may be larger than memory.

Given texts stay in their files, made texts go to Parquet shards, soft targets and token ids to flat files
that are memory-mapped. Everything else is the same, and for the same order of texts so are the results.
"""

from __future__ import annotations

from understudy.augment import read_steps
from understudy.augment.registry import RULES
from understudy.core.progress import Progress
from understudy.data.readers.blocks import count_rows
from understudy.data.unlabelled import expand
from understudy.pipeline.recipe import Recipe

STREAM_ABOVE = 1_000_000
"""Number of given and made texts above which a pool stays on disk, unless the recipe decides."""


def threshold(recipe: Recipe, progress: Progress) -> float | None:
    """Rows of labelled and unlabelled files above which a run streams; ``None`` if it never does.

    If the recipe keeps a large pool in memory, the reason is shown.

    Args:
        recipe: The recipe.
        progress: Where progress is shown.
    """
    if recipe.data.stream is False:
        return None

    above = STREAM_ABOVE / growth(recipe)
    reason = recipe.why_not_streamed
    if not reason:
        return -1.0 if recipe.data.stream is True else above

    rows = sum(map(count_rows, expand(recipe.data.unlabelled)))
    if rows > above:
        progress.say(f"About {rows:,} unlabelled texts are read into memory, not streamed: {reason}.")
    return None


def growth(recipe: Recipe) -> int:
    """How many times as many texts there are at most, once rules have made theirs."""
    steps = read_steps(recipe.augment)
    return 1 + sum(int(step.config.passes) for step in steps if step.spec.kind == RULES)
