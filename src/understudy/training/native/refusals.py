"""What no native trainer can do, so that the torch loop must."""

from __future__ import annotations

from collections.abc import Mapping

from understudy.core.configs import LossConfig, TrainingConfig
from understudy.core.task import Task
from understudy.runtime.fast_format import MOST_LABELS, MOST_WIDTH
from understudy.training.native.trainer import is_available


def first_reason(
    own: Mapping[str, bool], task: Task, widest: int, loss: LossConfig, config: TrainingConfig
) -> str:
    """The first reason why only the torch loop can train a student, or nothing where a native trainer can.

    A learning rate or a batch size that a recipe sets is one of the torch loop's, so it decides for that.

    Args:
        own: Reasons of one trainer, which come first, and whether each holds.
        task: What is learnt.
        widest: Width of the widest embedding or layer.
        loss: Which loss.
        config: How it is trained.
    """
    reasons = {
        **own,
        "it adds no noise to logits": loss.noise > 0.0,
        "it compares no layers": loss.layers > 0.0,
        f"it holds {MOST_LABELS:,} labels at most": len(task.labels) > MOST_LABELS,
        f"its layers are {MOST_WIDTH:,} wide at most": widest > MOST_WIDTH,
        "it freezes no word table": config.is_embedding_frozen,
        "a learning rate or batch size was set, which are the torch loop's": (
            config.learning_rate is not None or config.batch_size is not None
        ),
        "the C extension was not built": not is_available(),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")
