"""How a bare encoder becomes a teacher, and which ways are worth trying; without torch."""

from __future__ import annotations

from collections.abc import Sequence

from understudy.core.task import Task
from understudy.errors import RecipeError

WAYS = ("frozen", "contrastive", "finetune")
"""Ways to make a teacher of a bare encoder, the cheapest first; the first of equally good ones wins."""

METHODS = ("auto", *WAYS)
"""Values of ``teacher.method`` in a recipe."""

FEW_LABELS = 2_000
"""Labelled texts in train up to which ``auto`` compares the ways; with more, it fine-tunes.

Up to here a comparison costs minutes, and the ways differ by several points; with more, fine-tuning is at
least as good, and each of the trainings that a comparison needs takes longer.
"""

KINDS = ("classification", "pair")
"""Kinds of task that a linear head on embeddings can answer: one label out of several for each item."""


def ways_for(method: str, task: Task, pooling: str, texts: int) -> tuple[str, ...]:
    """The ways to try: the one that is named, or with ``auto`` all that can be compared.

    Args:
        method: One of `METHODS`.
        task: The task to be answered.
        pooling: Pooling that was asked for; a linear head reads the mean alone.
        texts: Number of labelled texts in train.
    """
    if method != "auto":
        return (method,)
    is_compared = task.kind in KINDS and pooling != "cls" and texts <= FEW_LABELS
    return WAYS if is_compared else ("finetune",)


def check_method(method: str, task: Task) -> None:
    """Refuse a way that cannot make a teacher for a kind of task.

    Raises:
        RecipeError: A linear head on embeddings was asked for, and the task needs another.
    """
    if method in ("frozen", "contrastive") and task.kind not in KINDS:
        raise RecipeError(
            f"teacher.method: {method} gives one label to each text, so it does not fit a task of kind "
            f"{task.kind}. Choose finetune, or leave it out."
        )


def check_unused(method: str, changed: Sequence[str]) -> None:
    """Refuse options of fine-tuning where nothing is fine-tuned.

    Args:
        method: One of `METHODS`.
        changed: Names of the options of ``teacher.finetune`` that do not have their defaults.

    Raises:
        RecipeError: An option would have no effect.
    """
    unused = [
        name
        for name in ("epochs", "learning_rate", "batch_size", "pooling", "is_embedding_frozen")
        if name in changed
    ]
    if method in ("frozen", "contrastive") and unused:
        raise RecipeError(
            f"teacher.finetune.{unused[0]} has no effect with teacher.method: {method}. Drop one of them."
        )
