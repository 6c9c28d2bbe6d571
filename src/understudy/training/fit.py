"""Train one student on one transfer set."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from understudy.core.configs import LossConfig, TrainingConfig, check_loss
from understudy.core.items import parts
from understudy.core.progress import Progress
from understudy.core.task import Gold, IntArray, Item, Task
from understudy.errors import DataError, RecipeError
from understudy.evaluation.thresholds import tuned
from understudy.optim.epochs import Score
from understudy.optim.loop import LoopConfig, convergence_step, dev_score, optimise
from understudy.optim.losses import balanced_weights, base_logits, combined, start_at
from understudy.students import Network, build, spec
from understudy.students.layers.ragged import tensor_of
from understudy.students.registry import StudentSpec, parse
from understudy.tokenization.batching import bucketed_batches, shuffled
from understudy.tokenization.encoding import input_mode_of
from understudy.tokenization.wordpiece import Vocabulary, train_wordpiece
from understudy.tokenization.words import build_vocabulary
from understudy.training.embeddings.warm_start import apply, warm_start
from understudy.training.layer_learner import LayerLearner
from understudy.training.native import fit as bag
from understudy.training.torch_student import Inputs, TorchStudent, Trained
from understudy.training.transfer_set import Transfer

SEEN = 100_000
"""Items whose words are counted, and rows of soft targets whose mean a head may start with."""

STEPS = 100
"""Steps that an epoch shall have."""

FEWEST_A_STEP = 16
"""Texts of a step, at least."""


def fit(
    name: str,
    task: Task,
    transfer: Transfer,
    dev: tuple[Sequence[Item], Gold],
    *,
    seed: int,
    loss: LossConfig | None = None,
    config: TrainingConfig | None = None,
    vocabulary_items: Iterable[Item] | None = None,
    teacher_vocabulary: Vocabulary | None = None,
    teacher: Any = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    what: str | None = None,
    **sizes: Any,
) -> Trained:
    """Train a student, and keep the epoch that is best on dev.

    Args:
        name: of the student; a preset, sizes and options may stand behind it (`students.registry.parse`).
        task: label names and metric.
        transfer: what it learns from, in memory or on disk (`training.stream`).
        dev: labelled texts for early stopping: texts and gold labels.
        seed: of the first weights, shuffling and dropout.
        loss: which loss; by default `mse` on logits where there are soft targets, else `gold`.
        config: how it is trained.
        vocabulary_items: items whose words make the vocabulary; by default those of the transfer set.
        teacher_vocabulary: the teacher's own, where the config asks for it.
        teacher: a transformer, where the word table starts from it or its layers are learnt.
        checkpoint: folder for resuming after a kill.
        progress: audience.
        what: a word for the audience.
        sizes: sizes of the student other than its vocabulary's.

    Raises:
        RecipeError: unknown student or size, or a loss that needs soft targets where there are none.
    """
    started = time.perf_counter()
    found, options = spec(name), parse(name).options
    config = replace(config or TrainingConfig(), **options)
    loss = loss or LossConfig("gold" if transfer.soft is None else "mse")
    _check(task, transfer, loss, config)
    form = input_mode_of(task, config.pair or found.training.pair)
    vocabulary = _vocabulary(config, task, form, vocabulary_items or transfer.texts, teacher_vocabulary)
    module = build(name, len(task.labels), seed=seed, form=form, vocabulary_size=len(vocabulary), **sizes)
    vocabulary = vocabulary.cut(_longest(module, loss, teacher))
    student = TorchStudent(found.name, module, vocabulary, task)
    masked = replace(student, vocabulary=vocabulary.masked())
    inputs, dev_inputs = transfer.inputs(masked), student.encode(dev[0])
    module.weigh(*inputs.batch(np.arange(min(len(inputs), SEEN))))
    start = _start(config, student, inputs, teacher)
    if transfer.soft is None:
        start_at(module.head.output, base_logits(task, transfer.gold))
    elif not task.is_exclusive:
        start_at(module.head.output, tensor_of(transfer.soft[:SEEN].mean(axis=0)))
    targets = _Targets(task, transfer, loss, has_weights=config.class_weights)
    learner = LayerLearner(module, teacher, config, seed) if loss.layers > 0.0 else None
    defaults = found.training
    batch_size = config.batch_size or usual_batch(defaults.batch_size, len(inputs))

    def score() -> Score:
        return dev_score(task, student.logits_of(dev_inputs), dev[1], task.rows(dev[0]))

    def batch_loss(units: IntArray) -> Tensor:
        batch, rows = inputs.batch(units), inputs.encoded.rows(units)
        if learner is None:
            return targets.loss(inputs.answered(units, module(*batch)), rows)
        logits, layers = learner(*batch)
        total: Tensor = targets.loss(logits, rows) + loss.layers * layers.mean()
        return total

    epochs, patience = config.epochs or defaults.epochs, config.patience or defaults.patience
    reason = bag.why_not(found.name, task, module, loss, config)
    if _is_native(reason, config.trainer, len(inputs)):
        has_weights = config.class_weights
        settings: dict[str, Any] = {"epochs": epochs, "patience": patience, "seed": seed, "score": score}
        settings |= {"checkpoint": checkpoint, "progress": progress, "what": what or f"training {name}"}
        curve = bag.learn(task, module, inputs, transfer, loss, has_weights=has_weights, **settings)
    else:
        curve = optimise(
            learner or module,
            batches=lambda generator: _batches(found, inputs, batch_size, generator),
            loss=batch_loss,
            score=score,
            config=LoopConfig(epochs, config.learning_rate or defaults.learning_rate, patience=patience),
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
            what=what or f"training {name}",
        )
    student = replace(student, task=tuned(task, student.logits_of(dev_inputs), dev[1]))
    steps = len(_batches(found, inputs, batch_size, np.random.default_rng(seed)))
    facts = {"start": start, "steps": steps * len(curve)}
    facts["convergence_steps"] = convergence_step(curve, steps) if curve else None
    return Trained(student, tuple(curve), time.perf_counter() - started, facts)


def usual_batch(most: int, texts: int) -> int:
    """Texts a step where nobody says: so many that an epoch has `STEPS` steps, within bounds.

    Chosen on dev of four sets: with 256 texts a step, students of a few thousand texts learn them by heart
    before they compare anything (STS-B: 0.24 at best, against 0.50 with 32). It is no law: dev accuracy of
    ``cbow.v1`` with gold labels, so against 256 texts a step, three seeds: 0.525 / 0.474 on 1,000 texts
    of Emotion, 0.770 / 0.748 on 4,000, 0.557 / 0.532 on the bundled set, but 0.753 / 0.773 on 2,000 of SST-2.
    A smaller learning rate for smaller steps (by the root, or in proportion) loses more than it gains.
    """
    return min(most, max(FEWEST_A_STEP, texts // STEPS))


def _is_native(reason: str, trainer: str, texts: int) -> bool:
    """Whether the native trainer does it, which cannot for the ``reason``, if there is one.

    Raises:
        RecipeError: it was asked for by name, and cannot.
    """
    if trainer == "native" and reason:
        raise RecipeError(f"The native trainer cannot train this: {reason}. Choose 'torch' or 'auto'.")
    is_worth_it = trainer == "native" or texts >= bag.FEWEST_TEXTS
    return trainer != "torch" and not reason and is_worth_it


def _longest(module: Network, loss: LossConfig, teacher: Any) -> int | None:
    """Ids that are read of a text; a student of layers reads no more than its teacher."""
    own: int | None = module.config.max_words
    if loss.layers == 0.0 or not hasattr(teacher, "longest"):
        return own
    limit = int(teacher.longest)
    return min(own or limit, limit)


def _start(
    config: TrainingConfig, student: TorchStudent, inputs: Inputs, teacher: Any
) -> dict[str, Any] | None:
    """Fill the word table with what the config asks for, and say what that was."""
    if config.embeddings is None:
        return None
    sides = [side.ids for side in inputs.encoded.sides]
    ids = sides[0] if len(sides) == 1 else np.concatenate(sides)
    start = warm_start(config.embeddings, student.module, student.vocabulary, ids, teacher)
    apply(student.module, start, is_frozen=config.is_embedding_frozen)
    return {**start.facts(), "is_frozen": config.is_embedding_frozen}


def _check(task: Task, transfer: Transfer, loss: LossConfig, config: TrainingConfig) -> None:
    check_loss(task, loss)
    rows = transfer.rows(task)
    if len(transfer.gold) != rows:
        raise DataError(
            f"The transfer set has {rows:,} rows to answer, but {len(transfer.gold):,} gold labels."
        )
    if loss.needs_teacher and transfer.soft is None:
        raise RecipeError(f"The loss {loss.name!r} needs soft targets, but the transfer set has none.")
    if config.class_weights and loss.needs_teacher and loss.alpha == 0.0:
        raise RecipeError(f"Class weights weigh gold labels, but the loss {loss.name!r} has no gold part.")


def _vocabulary(
    config: TrainingConfig, task: Task, form: str, items: Iterable[Item], teacher: Vocabulary | None
) -> Vocabulary:
    if config.vocabulary == "teacher":
        if teacher is None:
            raise RecipeError("The vocabulary 'teacher' was asked for, but this teacher has none to give.")
        return teacher
    is_joint = task.texts == 2 and form == "text"
    if config.vocabulary == "wordpiece":
        return train_wordpiece(parts(items), config.vocabulary_size, has_separator=is_joint)
    return build_vocabulary(parts(items), config.vocabulary_size, has_separator=is_joint)


class _Targets:
    """Soft and gold targets as tensors, and the loss of a batch of row numbers."""

    def __init__(self, task: Task, transfer: Transfer, loss: LossConfig, *, has_weights: bool) -> None:
        self.task, self.config = task, loss
        self.soft = None if transfer.soft is None else tensor_of(transfer.soft)
        self.gold = tensor_of(task.targets(transfer.gold))
        self.weights = balanced_weights(task, transfer.gold) if has_weights else None

    def loss(self, logits: Tensor, rows: IntArray) -> Tensor:
        picked = torch.from_numpy(rows)
        soft = None if self.soft is None else self.soft[picked]
        if soft is not None and self.config.noise > 0.0:  # seeded by the loop, epoch by epoch
            soft = soft * (1.0 + self.config.noise * torch.randn_like(soft))
        return combined(logits, soft, self.gold[picked], self.config, self.task, weights=self.weights)


def _batches(
    found: StudentSpec, inputs: Inputs, batch_size: int, generator: np.random.Generator
) -> list[IntArray]:
    if found.training.is_bucketed:
        return bucketed_batches(inputs.lengths, batch_size, generator)
    order = shuffled(len(inputs), generator)
    return np.split(order, range(batch_size, len(order), batch_size))
