"""Runs whose pool is larger than memory: when they stream, and the stages that differ for it.

Given texts stay in their files, made ones go to Parquet shards, soft targets and ids to flat files that are
mapped. Everything else of a run is the same, and so are its results, to the bit for the same order of texts.
"""

from __future__ import annotations

from understudy.augment import read_steps
from understudy.augment.registry import RULES
from understudy.core.progress import Progress
from understudy.data.readers.blocks import count_rows
from understudy.data.unlabelled import expand
from understudy.pipeline.recipe import Recipe

STREAM_ABOVE = 1_000_000
"""Texts, given and made, above which a pool stays on disk where the recipe does not say."""


def threshold(recipe: Recipe, progress: Progress) -> float | None:
    """Rows of labelled and unlabelled files above which a run streams; ``None``: it never does.

    A large pool that the recipe keeps in memory is told to the audience, with the reason.
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
    """Texts that rules make of one, and that one, at most."""
    steps = read_steps(recipe.augment)
    return 1 + sum(int(step.config.passes) for step in steps if step.spec.kind == RULES)
