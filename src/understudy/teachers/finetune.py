"""Fine-tune an encoder into a teacher, for every kind of task."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from understudy.core.configs import FinetuneConfig
from understudy.core.progress import Progress, Silent
from understudy.core.task import Gold, IntArray, Item, Task
from understudy.errors import RecipeError
from understudy.evaluation.thresholds import tuned
from understudy.optim.epochs import Epoch
from understudy.optim.loop import LoopConfig, dev_score, optimise
from understudy.optim.losses import balanced_weights, base_logits, gold, start_at
from understudy.teachers import loading
from understudy.teachers.bfloat16 import fallback_note, used_precision
from understudy.teachers.inputs import TransformerInputs
from understudy.teachers.modules import Headed, MeanPooled, body_of, last_layer
from understudy.teachers.source import Source, is_mean_pooled
from understudy.teachers.transformer import Teacher
from understudy.tokenization.batching import bucketed_batches

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PROBLEMS = {"multilabel": "multi_label_classification", "tagging": None}
"""What the library's configs call a kind of task; others are a regression, or a choice of one label."""


@dataclass(frozen=True)
class Finetuned:
    """A teacher with its training curve and the seconds it took."""

    teacher: Teacher
    curve: tuple[Epoch, ...]
    seconds: float


def finetune(
    source: Source,
    task: Task,
    train: tuple[Sequence[Item], Gold],
    dev: tuple[Sequence[Item], Gold],
    *,
    config: FinetuneConfig,
    seed: int,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Finetuned:
    """Fine-tune an encoder on labelled items, and keep the epoch that is best on dev by the task's metric.

    Args:
        source: The encoder; a head it may have is replaced.
        task: Kind, label names and metric.
        train: The task's items, and `understudy.core.task.Gold` of their rows.
        dev: Items and gold labels that select the epoch.
        config: Epochs, learning rate, precision and the like.
        seed: Seed of the head's first weights, of shuffling and of dropout.
        checkpoint: Folder that keeps the state of the training, for resuming after a kill.
        progress: Where progress is shown.

    Raises:
        RecipeError: An option that this kind of task cannot honour.
        TeacherError: The encoder cannot be loaded.
    """
    started = time.perf_counter()
    weights = balanced_weights(task, train[1]) if config.class_weights else None
    tokenizer = loading.load_tokenizer(source)
    module = new_module(source, task, config.pooling, seed)
    start_at(last_layer(module, len(task.labels)), base_logits(task, train[1]))
    if config.is_embedding_frozen:
        body_of(module).get_input_embeddings().requires_grad_(False)

    teacher = Teacher(module, tokenizer, task, name=source.name)
    encoded, aims = teacher.encode(train[0]), torch.from_numpy(task.targets(train[1]))
    encoded_dev, lengths = teacher.encode(dev[0]), task.rows(dev[0])
    is_rounded = used_precision(config.precision) == "bfloat16"
    if note := fallback_note(config.precision):
        (progress or Silent()).say(f"fine-tuning {source.name}: {note}")

    def loss(picked: IntArray) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=is_rounded):
            logits = encoded.answers(module(**encoded.batch(picked)), picked)
        return gold(logits.float(), aims[encoded.rows(picked)], weights).mean()

    curve = optimise(
        module,
        batches=lambda generator: _batches(encoded, config.batch_size, generator),
        loss=loss,
        score=lambda: dev_score(task, teacher.logits_of(encoded_dev), dev[1], lengths),
        config=LoopConfig(config.passes(len(train[0])), config.learning_rate),
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
        what=f"fine-tuning {source.name}",
    )

    teacher.task = tuned(task, teacher.logits_of(encoded_dev), dev[1])
    return Finetuned(teacher, tuple(curve), time.perf_counter() - started)


def _batches(encoded: TransformerInputs, batch_size: int, generator: np.random.Generator) -> list[IntArray]:
    """Sequences of similar length that have rows: a sentence may have no word, and a window no answer."""
    asked = np.flatnonzero(encoded.counts)
    return [asked[batch] for batch in bucketed_batches(encoded.lengths[asked], batch_size, generator)]


def new_module(source: Source, task: Task, pooling: str, seed: int) -> nn.Module:
    """The encoder with a new head; the same seed gives the same head.

    Raises:
        RecipeError: A pooling was asked for in tagging, which pools nothing.
    """
    is_tagging = task.kind == "tagging"
    if is_tagging and pooling != "auto":
        raise RecipeError(f"Tagging reads every token: the pooling {pooling!r} cannot be honoured. Drop it.")

    is_mean = not is_tagging and (is_mean_pooled(source) if pooling == "auto" else pooling == "mean")
    with torch.random.fork_rng(devices=[]), loading.quiet():
        torch.manual_seed(seed)
        if is_mean:
            return MeanPooled(loading.load_body(source), len(task.labels))
        return Headed(_headed(source, task))


def _headed(source: Source, task: Task) -> PreTrainedModel:
    """The encoder's weights under a new head of the library's own form."""
    config = loading.load_config(source)
    config.num_labels = len(task.labels)
    is_value = task.kind == "regression" and not task.is_binned
    config.problem_type = PROBLEMS.get(task.kind, "regression" if is_value else "single_label_classification")

    is_tagging = task.kind == "tagging"
    family = AutoModelForTokenClassification if is_tagging else AutoModelForSequenceClassification
    model = family.from_config(config, dtype=torch.float32, trust_remote_code=source.trust_remote_code)
    model.base_model.load_state_dict(loading.load_body(source).state_dict(), strict=False)
    return model
