"""Fine-tune an encoder into a teacher."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from understudy.batching import bucketed_batches
from understudy.configs import FinetuneConfig
from understudy.loop import Epoch, LoopConfig, dev_score, optimise
from understudy.losses import balanced_weights, gold
from understudy.progress import Progress
from understudy.task import IntArray, Task
from understudy.teachers import transformer
from understudy.teachers.source import Source, is_mean_pooled
from understudy.teachers.transformer import Headed, MeanPooled, Teacher


@dataclass(frozen=True)
class Finetuned:
    """A teacher with its training curve and the seconds it took."""

    teacher: Teacher
    curve: tuple[Epoch, ...]
    seconds: float


def finetune(
    source: Source,
    task: Task,
    train: tuple[Sequence[str], IntArray],
    dev: tuple[Sequence[str], IntArray],
    *,
    config: FinetuneConfig,
    seed: int,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Finetuned:
    """Fine-tune an encoder on labelled texts, and keep the epoch that is best on dev.

    Args:
        source: the encoder; a head it may have is replaced.
        task: label names and metric.
        train: texts and label columns.
        dev: texts and label columns.
        config: how.
        seed: of the head's first weights, shuffling and dropout.
        checkpoint: folder for resuming after a kill.
        progress: audience.
    """
    started = time.perf_counter()
    module = new_module(source, task, config.pooling, seed)
    if config.is_embedding_frozen:
        body = module.body if isinstance(module, MeanPooled) else module.model.base_model  # type: ignore[union-attr]
        body.get_input_embeddings().requires_grad_(False)  # type: ignore[operator, union-attr]
    teacher = Teacher(module, transformer.load_tokenizer(source), task, name=source.name)
    encoded, gold_train = teacher.encode(train[0]), torch.from_numpy(train[1])
    encoded_dev = teacher.encode(dev[0])
    weights = balanced_weights(train[1], len(task.labels)) if config.class_weights else None

    def loss(rows: IntArray) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
            logits = module(**encoded.batch(rows))
        return gold(logits.float(), gold_train[rows], weights).mean()

    curve = optimise(
        module,
        batches=lambda generator: bucketed_batches(encoded.lengths, config.batch_size, generator),
        loss=loss,
        score=lambda: dev_score(task, teacher.logits_of(encoded_dev), dev[1]),
        config=LoopConfig(config.passes(len(train[0])), config.learning_rate),
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
        what=f"fine-tuning {source.name}",
    )
    return Finetuned(teacher, tuple(curve), time.perf_counter() - started)


def new_module(source: Source, task: Task, pooling: str, seed: int) -> nn.Module:
    """The encoder with a new head; the same seed gives the same head."""
    is_mean = is_mean_pooled(source) if pooling == "auto" else pooling == "mean"
    with torch.random.fork_rng(devices=[]), transformer.quiet():
        torch.manual_seed(seed)
        if is_mean:
            return MeanPooled(transformer.load_body(source), len(task.labels))
        config = transformer.load_config(source)
        config.num_labels = len(task.labels)
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        model.base_model.load_state_dict(transformer.load_body(source).state_dict(), strict=False)
        return Headed(model)
