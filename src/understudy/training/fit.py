"""Train one student on one transfer set."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.configs import RANDOM, LossConfig, TrainingConfig, check_loss
from understudy.core.items import parts
from understudy.core.progress import Progress
from understudy.core.task import Gold, Item, Task
from understudy.errors import DataError, RecipeError
from understudy.evaluation.thresholds import tuned
from understudy.optim.epochs import Epoch, rank
from understudy.optim.loop import LoopConfig, convergence_step, optimise
from understudy.optim.losses import base_logits, start_at
from understudy.students import Network, build, spec
from understudy.students.layers.ragged import tensor_of
from understudy.students.layers.spelling import SPELLING_SIZE
from understudy.students.layers.weighted_bag import WeightedBag
from understudy.students.registry import StudentSpec, parse
from understudy.tokenization.encoding import input_mode_of
from understudy.tokenization.ngrams import NgramVocabulary, Vocabulary
from understudy.tokenization.spelling import build_spelling
from understudy.training.embeddings.known import KnownWords
from understudy.training.embeddings.warm_start import apply, warm_start
from understudy.training.layer_learner import LayerLearner
from understudy.training.lesson import Lesson, batch_loss
from understudy.training.native import bag_fit
from understudy.training.native import fit as bag
from understudy.training.native.watched import Watch
from understudy.training.torch_student import TorchStudent, Trained
from understudy.training.transfer_set import Transfer
from understudy.training.transitions import with_transitions
from understudy.training.vocabularies import vocabulary_for

SEEN = 100_000
"""Items whose words are counted, and rows of soft targets whose mean a head may start with."""

GOLD_EPOCHS, GOLD_RATE = 3, 0.2
"""Passes over the gold labels at the end, and their learning rate as a share of the usual one."""


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
    known: KnownWords | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    what: str | None = None,
    **sizes: Any,
) -> Trained:
    """Train a student, and keep the epoch that is best on dev.

    Args:
        name: Name of the student; a preset, sizes and options may stand behind it
            (`understudy.students.registry.parse`).
        task: Label names and metric.
        transfer: What it learns from, in memory or on disk (`understudy.training.streamed_set`).
        dev: Labelled texts for early stopping: texts and gold labels.
        seed: Seed of the first weights, of shuffling and of dropout.
        loss: Which loss; by default `mse` on logits where there are soft targets, else `gold`.
        config: How it is trained.
        vocabulary_items: Items whose words make the vocabulary; by default those of the transfer set.
        teacher_vocabulary: The teacher's own vocabulary, where the config asks for it.
        teacher: A transformer, where the word table starts from it or its layers are learnt.
        known: The teacher's vectors of single words, where they were made already.
        checkpoint: Folder for resuming after a kill.
        progress: Where progress is shown.
        what: What the progress is called.
        sizes: Sizes of the student other than its vocabulary's.

    Raises:
        RecipeError: An unknown student or size, a way to read pairs that the student does not have, or a
            loss that needs soft targets where there are none.
    """
    started = time.perf_counter()
    found = spec(name)
    config = _resolved(config or TrainingConfig(), name)
    loss = loss or LossConfig("gold" if transfer.soft is None else "mse")
    _check(found, task, transfer, loss, config)

    input_mode = input_mode_of(task, config.pair or found.training.pair)
    words, spelled = vocabulary_items or transfer.texts, _spelling_size(name, task, sizes)
    words = tuple(words) if spelled else words  # they are read twice, and an iterator only once
    vocabulary = vocabulary_for(
        name, sizes, config, task, items=words, teacher=teacher_vocabulary, known=known
    )
    spelling = build_spelling(parts(words), spelled) if spelled else None
    if spelling is not None:
        sizes["spelling_size"] = len(spelling)
    module = build(
        name, len(task.labels), seed=seed, form=input_mode, vocabulary_size=len(vocabulary), **sizes
    )
    vocabulary = vocabulary.cut(_longest(module, loss, teacher))
    student = TorchStudent(found.name, module, vocabulary, task, spelling)

    masked = replace(student, vocabulary=vocabulary.masked())
    lesson = Lesson(student, transfer, transfer.inputs(masked), dev, student.encode(dev[0]), loss, config)
    start = _prepare(lesson, teacher, known)
    what = what or f"training {name}"
    curve = _learn(lesson, teacher, seed=seed, checkpoint=checkpoint, progress=progress, what=what)
    gold_pass = _gold_pass(lesson, curve, seed=seed, progress=progress, what=f"{what}, gold labels")

    logits, words = student.logits_of(lesson.dev_inputs), lesson.dev_inputs.encoded.counts
    labelled = transfer.gold, lesson.inputs.encoded.counts
    decided, order = with_transitions(tuned(task, logits, dev[1]), labelled, (logits, dev[1], words))
    student = replace(student, task=decided)
    steps = len(lesson.batches(np.random.default_rng(seed)))
    facts = {"dev": replace(lesson, student=student).score()[0], "start": start, "steps": steps * len(curve)}
    facts |= {"gold_pass": gold_pass, "transitions": order}
    facts["convergence_steps"] = convergence_step(curve, steps) if curve else None
    return Trained(student, tuple(curve), time.perf_counter() - started, facts)


def _prepare(lesson: Lesson, teacher: Any, known: KnownWords | None) -> dict[str, Any] | None:
    """Give a student its first weights beyond the random ones, and say what its word table starts with."""
    task, module, transfer = lesson.student.task, lesson.student.module, lesson.transfer
    module.weigh(*lesson.inputs.batch(np.arange(min(len(lesson.inputs), SEEN))))
    vocabulary = lesson.student.vocabulary
    if isinstance(vocabulary, NgramVocabulary) and isinstance(module.encoder, WeightedBag):
        module.encoder.silence(len(vocabulary.base))
    start = _start(lesson, teacher, known)

    if transfer.soft is None:
        start_at(module.head.output, base_logits(task, transfer.gold))
    elif not task.is_exclusive:
        start_at(module.head.output, tensor_of(transfer.soft[:SEEN].mean(axis=0)))
    return start


def _learn(
    lesson: Lesson,
    teacher: Any,
    *,
    seed: int,
    checkpoint: Path | None,
    progress: Progress | None,
    what: str,
) -> list[Epoch]:
    """Train by the native trainer where it can and is worth it, else by the torch loop."""
    config, defaults, module = lesson.config, lesson.defaults, lesson.student.module
    epochs, patience = config.epochs or defaults.epochs, config.patience or defaults.patience
    watch = Watch(epochs, patience, lesson.score, checkpoint, progress, what)
    common: dict[str, Any] = {"has_weights": config.class_weights, "seed": seed, "watch": watch}
    given = lesson.student.task, module, lesson.inputs, lesson.transfer, lesson.loss
    if isinstance(module.encoder, WeightedBag):
        reason = bag_fit.why_not(lesson.student.task, module, lesson.loss, config)
        if _is_native(reason, config.trainer, bag.FEWEST_TEXTS):
            return bag_fit.learn(*given, rate=defaults.row_rate, **common)
    reason = bag.why_not(lesson.student.name, lesson.student.task, module, lesson.loss, config)
    if _is_native(reason, config.trainer, len(lesson.inputs)):
        return bag.learn(*given, **common)

    learner = LayerLearner(module, teacher, config, seed) if lesson.loss.layers > 0.0 else None
    return optimise(
        learner or module,
        batches=lesson.batches,
        loss=batch_loss(lesson, learner),
        score=lesson.score,
        config=LoopConfig(
            epochs,
            config.learning_rate or defaults.learning_rate,
            row_rate=defaults.row_rate,
            patience=patience,
        ),
        seed=seed,
        rows=module.row_tables(),
        checkpoint=checkpoint,
        progress=progress,
        what=what,
    )


def _gold_pass(
    lesson: Lesson, curve: Sequence[Epoch], *, seed: int, progress: Progress | None, what: str
) -> dict[str, Any] | None:
    """Show a taught student the gold labels once more, and keep that only if dev improves.

    Ye et al. 2022, section 3: it was worth up to 2.4 points on four of their five sets, and cost 1.5 on one.
    """
    if not lesson.config.gold_pass or not lesson.loss.needs_teacher or not curve:
        return None
    units = lesson.labelled_units()
    if not len(units):
        return None

    module, defaults = lesson.student.module, lesson.defaults
    before, weights = max(rank(epoch.dev_score) for epoch in curve), copy.deepcopy(module.state_dict())
    rate = (lesson.config.learning_rate or defaults.learning_rate) * GOLD_RATE
    passes = optimise(
        module,
        batches=lambda generator: lesson.batches(generator, units),
        loss=batch_loss(replace(lesson, loss=LossConfig("gold")), None),
        score=lesson.score,
        config=LoopConfig(GOLD_EPOCHS, rate, row_rate=defaults.row_rate * GOLD_RATE),
        seed=seed,
        rows=module.row_tables(),
        progress=progress,
        what=what,
    )

    after = max(rank(epoch.dev_score) for epoch in passes)
    if after <= before:
        module.load_state_dict(weights)
    return {"dev_before": before, "dev_after": after, "is_kept": after > before}


def _resolved(config: TrainingConfig, name: str) -> TrainingConfig:
    """The config with the options that follow a student's name."""
    return replace(config, **parse(name).options)


def _is_native(reason: str, trainer: str, texts: int) -> bool:
    """Whether the native trainer does it, which cannot for the ``reason``, if there is one.

    Raises:
        RecipeError: It was asked for by name, and cannot.
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


def _start(lesson: Lesson, teacher: Any, known: KnownWords | None) -> dict[str, Any] | None:
    """Fill the word table with what the config asks for, and say what that was."""
    config, student = lesson.config, lesson.student
    if config.embeddings is None or config.embeddings == RANDOM:
        return None
    sides = [side.ids for side in lesson.inputs.encoded.sides]
    ids = sides[0] if len(sides) == 1 else np.concatenate(sides)
    vocabulary = student.vocabulary
    if isinstance(vocabulary, NgramVocabulary):  # n-grams have no vectors of a teacher's
        vocabulary = vocabulary.base
        ids = ids[ids < len(vocabulary)]
    start = warm_start(config.embeddings, student.module, vocabulary, ids, teacher, known=known)
    apply(student.module, start, is_frozen=config.is_embedding_frozen)
    return {**start.facts(), "is_frozen": config.is_embedding_frozen}


def _check(
    student: StudentSpec, task: Task, transfer: Transfer, loss: LossConfig, config: TrainingConfig
) -> None:
    check_loss(task, loss)
    if task.texts == 2 and (reason := student.pair_refusal(config.pair or student.training.pair)):
        raise RecipeError(reason)
    rows = transfer.rows(task)
    if len(transfer.gold) != rows:
        raise DataError(
            f"The transfer set has {rows:,} rows to answer, but {len(transfer.gold):,} gold labels."
        )
    if loss.needs_teacher and transfer.soft is None:
        raise RecipeError(f"The loss {loss.name!r} needs soft targets, but the transfer set has none.")
    if config.class_weights and loss.needs_teacher and loss.alpha == 0.0:
        raise RecipeError(f"Class weights weigh gold labels, but the loss {loss.name!r} has no gold part.")


def _spelling_size(name: str, task: Task, sizes: Mapping[str, Any]) -> int:
    """Rows of the table of spellings, at most; 0 for a student that does not read how words are spelled."""
    chosen = {**parse(name).sizes, **sizes}
    is_read = task.kind == "tagging" and chosen.get("spelling", False)  # `build` refuses it elsewhere
    return int(chosen.get("spelling_size", SPELLING_SIZE)) if is_read else 0
