"""A teacher whose head is a logistic regression, on the untouched body or on one tuned by contrasts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from understudy.core.configs import FinetuneConfig
from understudy.core.progress import Progress
from understudy.core.task import Gold, IntArray, Item, Task
from understudy.optim.contrastive import label_batches, supervised_contrastive
from understudy.optim.epochs import Epoch
from understudy.optim.loop import LoopConfig, optimise
from understudy.teachers import loading
from understudy.teachers.bfloat16 import used_precision
from understudy.teachers.finetune import Finetuned, new_module
from understudy.teachers.linear_head import HeadFit, features_of
from understudy.teachers.modules import MeanPooled, body_of
from understudy.teachers.source import Source
from understudy.teachers.transformer import Teacher

EPOCHS, STEPS = 3, 50
"""Parts of the tuning by contrasts, after each of which the head is fitted and judged; steps of each."""

PATIENCE = 1
"""Parts without a better score on dev before the tuning ends: with few labels the first is often the best."""

BATCH_SIZE = 32
"""Texts of a step, where they are short."""

LEAST_BATCH_SIZE = 8
"""Texts of a step, where they are long."""

MOST_TOKENS = 4096
"""Tokens of a step on average, unless that is fewer than `LEAST_BATCH_SIZE` texts: a step holds at once what
all of its texts need for their gradients."""

LEARNING_RATE = 1e-4
"""Peak rate of AdamW, decayed linearly to zero."""

TEMPERATURE = 0.1
"""Temperature of the supervised contrastive loss, the value of Khosla et al. 2020, section 4."""


def with_linear_head(
    source: Source,
    task: Task,
    train: tuple[Sequence[Item], Gold],
    dev: tuple[Sequence[Item], Gold],
    *,
    config: FinetuneConfig,
    seed: int,
    is_tuned: bool,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Finetuned:
    """Make a teacher of a body and a logistic regression on the mean of its last states.

    The body stays as it is, or is tuned first: `EPOCHS` times `STEPS` batches in which each label stands
    several times draw texts of one label together (as in SetFit, Tunstall et al. 2022, with the loss of
    Khosla et al. 2020 on all pairs of a batch). The part is kept that is best on dev, and the first that is
    not better than the one before ends the tuning. Token embeddings keep their values: few labels show few
    of them.

    Args:
        source: The encoder; a head it may have is replaced.
        task: A task whose items have one label out of several each.
        train: The task's items, and their labels.
        dev: Items and labels that select the head's regularisation and the part.
        config: Precision, and whether rare labels weigh more in the head.
        seed: Seed of the batches and of dropout.
        is_tuned: Whether the body is tuned first.
        checkpoint: Folder that keeps the state of the tuning, for resuming after a kill.
        progress: Where progress is shown.

    Raises:
        TeacherError: The encoder cannot be loaded.
    """
    started = time.perf_counter()
    module = cast("MeanPooled", new_module(source, task, "mean", seed))
    teacher = Teacher(module, loading.load_tokenizer(source), task, name=source.name)
    head = HeadFit(
        module,
        task,
        teacher.encode(train[0]),
        train[1],
        teacher.encode(dev[0]),
        dev[1],
        is_balanced=config.class_weights,
    )

    curve: list[Epoch] = []
    if is_tuned:
        module.head.requires_grad_(False)
        curve = _tune(head, config, seed, checkpoint, progress)
    else:
        head.fit()
    return Finetuned(teacher, tuple(curve), time.perf_counter() - started)


def _tune(
    head: HeadFit,
    config: FinetuneConfig,
    seed: int,
    checkpoint: Path | None,
    progress: Progress | None,
) -> list[Epoch]:
    """Tune the body, fit the head after each part, and leave the module with the best part's weights."""
    module, encoded = head.module, head.train
    body_of(module).get_input_embeddings().requires_grad_(False)
    labels = torch.from_numpy(head.gold)
    is_rounded = used_precision(config.precision) == "bfloat16"
    size = max(LEAST_BATCH_SIZE, min(BATCH_SIZE, int(MOST_TOKENS / encoded.lengths.mean())))

    def loss(picked: IntArray) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=is_rounded):
            features, order = features_of(module, encoded, picked)
        return supervised_contrastive(features.float(), labels[order], TEMPERATURE)

    return optimise(
        module,
        batches=lambda generator: label_batches(head.gold, size, STEPS, generator),
        loss=loss,
        score=head.fit,
        config=LoopConfig(EPOCHS, LEARNING_RATE, patience=PATIENCE),
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
        what="tuning by contrasts",
    )
