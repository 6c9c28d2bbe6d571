"""A teacher that is a transformer encoder with a head, for every kind of task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from understudy.core.configs import TEACHER_PRECISIONS
from understudy.core.label_order import column_order
from understudy.core.manifest import digest
from understudy.core.task import FloatArray, IntArray, Item, Task
from understudy.errors import ArtifactError, TeacherError
from understudy.optim.layer_losses import States
from understudy.teachers.bfloat16 import (
    SAFETY,
    fallback_note,
    largest_move,
    near_ties,
    probe,
    resolved,
    rounded,
    used_precision,
)
from understudy.teachers.inputs import TransformerInputs, encode, encode_words, longest_input
from understudy.teachers.loading import (
    HEAD_FILE,
    Ability,
    is_finetuned,
    load_config,
    load_module,
    load_tokenizer,
    quiet,
    read_ability,
)
from understudy.teachers.modules import MeanPooled, embedding_rows, states_of
from understudy.teachers.source import FACTS_FILE, Source, resolve
from understudy.teachers.tokenizer_check import check_ids, check_is_known
from understudy.tokenization.batching import budgeted_batches
from understudy.tokenization.encoding import check_items

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKEN_BUDGET = 640
"""Tokens per batch when answering; such batches stay in a core's cache, larger ones were slower."""


def columns_for(
    task: Task, own: Task, name: str, kinds: Sequence[str], bounds: tuple[float, float] | None
) -> list[int]:
    """For each label of a task, the column of a teacher that answers it, matched by name.

    The only column of a regression on values needs no name.

    Args:
        task: The task to be answered.
        own: The teacher's own task.
        name: What the user calls the teacher.
        kinds: Kinds of task that its head may be of.
        bounds: In a regression on values, the values that its outputs 0 and 1 stand for.

    Raises:
        TeacherError: Its kind is another, or the label names differ; the message shows both.
    """
    if task.kind not in kinds:
        raise TeacherError(
            f"The teacher {name!r} answers tasks of kind {' or '.join(kinds)}, but this task "
            f"is of kind {task.kind}. Choose a teacher of that kind, or fine-tune a bare encoder."
        )
    is_value = bounds is not None and task.bounds is not None
    columns = [0] if is_value else column_order(own.labels, task.labels)
    if columns is None:
        raise TeacherError(
            f"The teacher {name!r} does not answer this task. Its labels: {list(own.labels)}. "
            f"The task's labels: {list(task.labels)}. Rename one side (--teacher-labels names the "
            "teacher's columns in order), or choose another teacher."
        )
    return columns


def check_answers(source: Source, task: Task, labels: Sequence[str] | None = None) -> None:
    """Refuse a fine-tuned model that does not answer a task; only its config is read.

    Args:
        source: The model.
        task: The task to be answered.
        labels: Names of its columns, for a model that does not say them itself.

    Raises:
        TeacherError: Its kind is another, or its labels are not the task's.
    """
    with quiet():
        ability = read_ability(source, load_config(source))
    own = _own_task(source, ability, labels)
    columns_for(task, own, source.name, ability.kinds, own.bounds)


def _own_task(source: Source, ability: Ability, labels: Sequence[str] | None) -> Task:
    """The task that a fine-tuned model answers by its own config."""
    if labels and len(labels) != len(ability.labels):
        raise TeacherError(
            f"{source.name!r} gives {len(ability.labels)} logits, but labels are {list(labels)}."
        )
    return ability.task(tuple(labels or ()))


class Teacher:
    """A transformer that answers a task: `Teacher.from_pretrained` makes one.

    Args:
        module: Takes tensors by name; gives logits ``(b, c)``, or in tagging ``(b, t, c)``.
        tokenizer: The model's own.
        task: Label names in the order of the module's logits.
        name: What the user calls it.
        precision: ``float32``, or ``bfloat16``, which `bfloat16.py` describes: products are rounded, weights
            are kept, near ties are answered again in float32. Where bfloat16 is not faster on this machine,
            answers are computed in float32, and `notes` says so. ``auto`` is resolved at once.
        kinds: Kinds of task that its head may be of, the task's first, where that is not the only one.
        bounds: Regression on values: the values that the module's outputs 0 and 1 stand for, where they are
            not the task's own bounds.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        task: Task,
        *,
        name: str,
        precision: str = "float32",
        kinds: Sequence[str] | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        _check_precision(precision)
        self.module = module.eval()
        self.tokenizer = tokenizer
        self.task = task
        self.name = name
        self.precision = resolved(precision)
        self.kinds = tuple(kinds or (task.kind,))
        self.bounds = bounds or task.bounds
        self.columns = np.arange(len(task.labels))
        self.longest = longest_input(tokenizer, module)
        self.embedding_rows = embedding_rows(module)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        task: Task | None = None,
        labels: Sequence[str] | None = None,
        precision: str = "float32",
        trust_remote_code: bool = False,
    ) -> Teacher:
        """Load a fine-tuned teacher from a hub id or a folder.

        Args:
            name: Hub id, folder, or short name.
            task: What it shall answer; its columns are then put in this task's order, **by name**.
            labels: The names of its columns, for a model that does not name them itself.
            precision: ``float32``, ``bfloat16``, or ``auto`` for what suits the processor.
            trust_remote_code: Whether Python code that comes with the model may run.

        Raises:
            TeacherError: It cannot be loaded, has no head, or its kind or its labels are not the task's.
        """
        _check_precision(precision)
        source = resolve(str(name), trust_remote_code=trust_remote_code)
        if source.is_student:
            raise TeacherError(
                f"{source.name!r} is an exported student, not a transformer. Open it with `understudy.load`."
            )

        with quiet():
            config = load_config(source)
            if not is_finetuned(source, config):
                raise TeacherError(
                    f"The teacher {source.name!r} is a bare encoder without a classification head. Fine-tune "
                    "it first: `understudy finetune DATA --teacher " + source.name + "`."
                )
            ability = read_ability(source, config)
            own = _own_task(source, ability, labels)
            tokenizer = load_tokenizer(source)
            module = load_module(source, ability)

        teacher = cls(
            module.float(),
            tokenizer,
            own,
            name=source.name,
            precision=precision,
            kinds=ability.kinds,
        )
        return teacher.arranged(task) if task is not None else teacher

    def arranged(self, task: Task) -> Teacher:
        """This teacher with its columns in the order of ``task.labels``, matched by name.

        The only column of a regression on values needs no name; it is put between the task's bounds.

        Raises:
            TeacherError: It is of another kind, or the label names differ; the message shows both.
        """
        columns = columns_for(task, self.task, self.name, self.kinds, self.bounds)
        arranged = Teacher(
            self.module,
            self.tokenizer,
            task,
            name=self.name,
            precision=self.precision,
            kinds=(task.kind, *(kind for kind in self.kinds if kind != task.kind)),
            bounds=self.bounds,
        )
        arranged.columns = self.columns[columns]
        return arranged

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for whoever watches the teacher at work."""
        note = fallback_note(self.precision)
        return (f"{self.name}: {note}",) if note else ()

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def fingerprint(self) -> str:
        """SHA-256 over weights, tokenizer, task but thresholds, column order, precision and length limit.

        The precision is the one that was asked for, so that a run on another machine finds the same store; of
        ``auto`` it is the one that this machine takes, so that no store mixes two unawares.
        """
        total = hashlib.sha256()
        for name, value in sorted(self.module.state_dict().items()):
            total.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
            total.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)

        task, asked = self.task, [self.task.kind, self.task.texts, self.task.bounds, self.bounds]
        rest = [list(task.labels), self.columns.tolist(), self.precision, self.longest, asked]
        # Each call of the tokenizer leaves its truncation and padding behind; `longest` says what counts.
        rule = json.loads(self.tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
        total.update(digest([*rest, rule]).encode())
        return total.hexdigest()

    def encode(self, items: Sequence[Item]) -> TransformerInputs:
        """Tokenize items: texts and pairs are cut to ``longest`` tokens, sentences are read in windows.

        Raises:
            DataError: An item is not of the task's form.
            TeacherError: A token has no embedding, or nearly all tokens are unknown.
        """
        check_items(self.task, items)
        is_tagging = self.task.kind == "tagging"
        encoded = (encode_words if is_tagging else encode)(self.tokenizer, items, self.longest)

        ids = encoded.inputs.get("input_ids", ())
        check_ids(self.name, self.tokenizer, ids, self.embedding_rows)
        check_is_known(self.name, self.tokenizer, ids, items)
        return encoded

    def logits(self, texts: Sequence[Item]) -> FloatArray:
        """Logits ``(rows, c)`` float32 of the task's items, batched by length under a budget of tokens."""
        return self.logits_of(self.encode(texts))

    def logits_of(self, encoded: TransformerInputs) -> FloatArray:
        """Logits ``(rows, c)`` of items that are tokenized already."""
        everything = np.arange(len(encoded.lengths))
        answers = np.zeros((int(encoded.counts.sum()), len(self.task.labels)), dtype=np.float32)

        if used_precision(self.precision) == "float32":
            self._answer(encoded, everything, answers)
        else:
            with rounded(self.module, len(self.columns)):
                self._answer(encoded, everything, answers)
            if self.task.is_exclusive:
                self._answer(encoded, near_ties(answers, encoded.counts, self.near), answers)

        return self._scaled(answers)

    @cached_property
    def near(self) -> float:
        """Logits between two labels below which bfloat16 does not decide; `bfloat16.py` says why."""
        encoded = self.encode(probe(self.task, self.tokenizer))
        everything = np.arange(len(encoded.lengths))
        full, low = np.zeros((2, int(encoded.counts.sum()), len(self.task.labels)), dtype=np.float32)
        self._answer(encoded, everything, full)
        with rounded(self.module, len(self.columns)):
            self._answer(encoded, everything, low)
        return SAFETY * largest_move(low, full)

    def _answer(self, encoded: TransformerInputs, asked: IntArray, answers: FloatArray) -> None:
        """Write the rows of the sequences with these numbers."""
        with torch.inference_mode():
            for chosen in budgeted_batches(encoded.lengths[asked], TOKEN_BUDGET):
                picked = asked[chosen]
                logits = encoded.answers(self.module(**encoded.batch(picked)), picked)
                answers[encoded.rows(picked)] = logits.float().numpy()[:, self.columns]

    def _scaled(self, answers: FloatArray) -> FloatArray:
        """Values that stand between the module's bounds, put between the task's."""
        if self.task.bounds is None or self.bounds is None or self.bounds == self.task.bounds:
            return answers
        (low, high), (own_low, own_high) = self.task.bounds, self.bounds
        values = own_low + (own_high - own_low) * answers
        return np.asarray((values - low) / (high - low), dtype=np.float32)

    def states(self, inputs: dict[str, Tensor]) -> States:
        """Hidden states and attentions of a batch, as `TransformerInputs.batch` gives it; no gradients.

        Returns:
            The embeddings' output and that of each layer, ``(b, t, d)``; attentions, ``(b, h, t, t)``.
        """
        return states_of(self.module, inputs)

    def save(self, folder: Path) -> None:
        """Write weights, tokenizer, label names and kind, as `from_pretrained` reads them.

        Raises:
            ArtifactError: The weights cannot be written, for instance where the disk is full.
        """
        # The head's rows stay where they are: the name of row ``columns[i]`` is label i.
        names = [self.task.labels[i] for i in np.argsort(self.columns)]
        is_mean = isinstance(self.module, MeanPooled)
        facts: dict[str, object] = {"pooling": "mean" if is_mean else "head", "labels": names}
        facts |= {"kinds": self.kinds, "texts": self.task.texts, "bounds": self.bounds}

        with quiet():
            try:
                self._save_weights(folder, names)
            except SafetensorError as error:
                raise ArtifactError(
                    f"The weights of the teacher cannot be written to {folder}: {error}. Make room there, or "
                    "choose another folder, and run again."
                ) from error
            (folder / FACTS_FILE).write_text(json.dumps(facts, indent=2), encoding="utf-8")
            self.tokenizer.save_pretrained(folder)

        # The library gives weights to their owner alone; all files are to be as readable as our own one.
        mode = (folder / FACTS_FILE).stat().st_mode
        for path in folder.iterdir():
            if path.is_file():
                path.chmod(mode)

    def _save_weights(self, folder: Path, names: Sequence[str]) -> None:
        if isinstance(self.module, MeanPooled):
            self.module.body.save_pretrained(folder)  # type: ignore[operator]
            save_file(dict(self.module.head.state_dict()), folder / HEAD_FILE)
            return
        model = cast("PreTrainedModel", self.module.model)
        model.config.id2label = dict(enumerate(names))
        model.config.label2id = {label: column for column, label in enumerate(names)}
        model.save_pretrained(folder)


def _check_precision(precision: str) -> None:
    if precision not in TEACHER_PRECISIONS:
        raise TeacherError(f"Unknown precision {precision!r}. Known: {', '.join(TEACHER_PRECISIONS)}.")
