"""Read a teacher's parts from a folder or the hub: config, tokeniser, weights, and what it can answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from understudy.core.task import Task
from understudy.errors import TeacherError
from understudy.teachers.modules import Headed, MeanPooled
from understudy.teachers.source import Source, read_optional_json

HEAD_FILE, FACTS_FILE = "head.safetensors", "understudy.json"

HEADS = ("ForSequenceClassification", "ForTokenClassification")
"""How the names of the library's fine-tuned classes end."""

VALUES = (0.0, 1.0)
"""Bounds of a regression whose logits are values of the data's own unit."""

EXCLUSIVE = ("classification", "pair", "regression")
"""Kinds of task that a head on a text answers by labels of which one is right; the regression is in bins."""


@dataclass(frozen=True)
class Ability:
    """What a fine-tuned model can answer.

    Attributes:
        labels: names of its columns.
        kinds: kinds of task that its head may be of, the likeliest first; a config tells not all apart.
        bounds: regression on values: those that its outputs 0 and 1 stand for.
        is_mean_pooled: whether its head is our own, on the mean over tokens.
        texts: texts of an item, where that is known to be 2.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    bounds: tuple[float, float] | None = None
    is_mean_pooled: bool = False
    texts: int = 1

    def task(self, labels: tuple[str, ...] | None = None) -> Task:
        """The likeliest task, with the names given or its own."""
        return Task(labels or self.labels, kind=self.kinds[0], bounds=self.bounds, texts=self.texts)


def read_ability(source: Source, config: Any) -> Ability:
    """What a fine-tuned model says of itself: in our own file beside it, else in its config.

    Raises:
        TeacherError: a head of a form that no kind of task has.
    """
    facts = read_optional_json(source, FACTS_FILE)
    if facts is None:
        labels = _config_labels(config)
        kinds = _config_kinds(source, config, len(labels))
        return Ability(labels, kinds, VALUES if len(labels) == 1 and kinds == ("regression",) else None)
    bounds = facts.get("bounds")
    return Ability(
        tuple(facts["labels"]),
        tuple(facts.get("kinds", ("classification",))),
        tuple(bounds) if bounds else None,
        facts.get("pooling") == "mean",
        facts.get("texts", 1),
    )


def _config_kinds(source: Source, config: Any, columns: int) -> tuple[str, ...]:
    if any(name.endswith(HEADS[1]) for name in config.architectures or ()):
        return ("tagging",)
    problem = getattr(config, "problem_type", None)
    if columns == 1:
        return ("regression",)
    if problem == "regression":
        raise TeacherError(
            f"The teacher {source.name!r} gives {columns} values at once; a regression has one value."
        )
    if problem == "multi_label_classification":
        return ("multilabel",)
    return EXCLUSIVE if problem == "single_label_classification" else (*EXCLUSIVE, "multilabel")


def _config_labels(config: Any) -> tuple[str, ...]:
    names = {int(column): str(label) for column, label in config.id2label.items()}
    return tuple(names[column] for column in sorted(names))


def load_config(source: Source) -> Any:
    """The model's `transformers` config.

    Raises:
        TeacherError: it cannot be had, for instance offline.
    """
    with explained(source):
        return AutoConfig.from_pretrained(source.location)


def load_tokenizer(source: Source) -> Any:
    """The model's tokeniser."""
    with explained(source):
        return AutoTokenizer.from_pretrained(source.location)


def load_body(source: Source) -> Any:
    """The encoder without a head, in float32."""
    with explained(source):
        return AutoModel.from_pretrained(source.location, dtype=torch.float32)


def is_finetuned(source: Source, config: Any) -> bool:
    """Whether the weights bring a head, on texts or on tokens."""
    if any(name.endswith(HEADS) for name in config.architectures or ()):
        return True
    return read_optional_json(source, FACTS_FILE) is not None


def load_module(source: Source, ability: Ability) -> nn.Module:
    """The encoder with its head, in float32.

    Raises:
        TeacherError: weights are missing or damaged.
    """
    if not ability.is_mean_pooled:
        is_tagger = ability.kinds == ("tagging",)
        form = AutoModelForTokenClassification if is_tagger else AutoModelForSequenceClassification
        with explained(source):
            return Headed(form.from_pretrained(source.location, dtype=torch.float32))
    module = MeanPooled(load_body(source), len(ability.labels))
    head = Path(source.location) / HEAD_FILE
    if not head.is_file():
        raise TeacherError(f"{head} is missing. Fine-tune the teacher again.")
    try:
        module.head.load_state_dict(load_file(head))
    except (SafetensorError, RuntimeError) as error:
        raise TeacherError(f"{head} is damaged: {error}. Fine-tune the teacher again.") from error
    return module


def match(own: tuple[str, ...], wanted: tuple[str, ...]) -> list[int] | None:
    """For each wanted label the column of that name, exactly or but for case; ``None`` where names differ."""
    for fold in (str, str.casefold):
        columns: Mapping[str, int] = {fold(label): column for column, label in enumerate(own)}
        names = [fold(label) for label in wanted]
        if len(columns) == len(own) and sorted(columns) == sorted(names):
            return [columns[name] for name in names]
    return None


@contextlib.contextmanager
def explained(source: Source) -> Iterator[None]:
    """Turn what loading raises into one sentence that says what to do."""
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0]
        raise TeacherError(
            f"The teacher {source.name!r} cannot be loaded from {source.location!r}: {first} Check the name; "
            "offline, give a folder, or install `understudy[demo]` for the default teacher."
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep `transformers` from drawing bars and warnings of its own over ours."""
    before = transformers.logging.get_verbosity()
    had_bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)
        if had_bars:
            transformers.logging.enable_progress_bar()
