"""Read a teacher's parts from a folder or the hub: config, tokenizer, weights, and what it can answer."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from understudy.errors import TeacherError, UnderstudyError
from understudy.teachers.modules import Headed, MeanPooled
from understudy.teachers.source import FACTS_FILE, Source, read_optional_json
from understudy.teachers.tokenizer_check import check_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
    from transformers.models.auto.auto_factory import _BaseAutoModelClass

HEAD_FILE = "head.safetensors"

HEADS = ("ForSequenceClassification", "ForTokenClassification")
"""How the names of the library's fine-tuned classes end."""

VALUES = (0.0, 1.0)
"""Bounds of a regression whose logits are values in the data's own unit."""

EXCLUSIVE = ("classification", "pair", "regression")
"""Kinds of task that a head on a text answers with one label out of several; the regression is in bins."""

OPT_IN = "trust_remote_code"
"""The library's option for code that comes with a model; its complaints about such code name it."""


@dataclass(frozen=True)
class Ability:
    """What a fine-tuned model can answer.

    Attributes:
        labels: Names of its columns.
        kinds: Kinds of task that its head may be of, the likeliest first; a config does not tell all apart.
        bounds: Regression on values: the values that its outputs 0 and 1 stand for.
        is_mean_pooled: Whether its head is our own, on the mean over tokens.
        texts: Texts of an item, where that is known to be 2.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    bounds: tuple[float, float] | None = None
    is_mean_pooled: bool = False
    texts: int = 1

    def task(self, labels: tuple[str, ...] | None = None) -> Task:
        """The likeliest task, with the label names that are passed or its own."""
        return Task(labels or self.labels, kind=self.kinds[0], bounds=self.bounds, texts=self.texts)


def read_ability(source: Source, config: PretrainedConfig) -> Ability:
    """What a fine-tuned model can answer, from our own file beside it, else from its config.

    Raises:
        TeacherError: No kind of task has such a head, or our file is damaged.
    """
    facts = read_optional_json(source, FACTS_FILE)
    if facts is not None:
        return _read_facts(source, facts)

    labels = _config_labels(source, config)
    kinds = _config_kinds(source, config, len(labels))
    return Ability(labels, kinds, VALUES if len(labels) == 1 and kinds == ("regression",) else None)


def _read_facts(source: Source, facts: dict[str, Any]) -> Ability:
    """What `Teacher.save` wrote beside the weights."""
    labels, kinds = facts.get("labels"), facts.get("kinds", ["classification"])
    bounds, texts = facts.get("bounds"), facts.get("texts", 1)

    are_names = all(
        isinstance(names, list) and names and all(isinstance(name, str) for name in names)
        for names in (labels, kinds)
    )
    are_bounds = bounds is None or (
        isinstance(bounds, list) and [type(bound) in (int, float) for bound in bounds] == [True, True]
    )
    if not are_names or not are_bounds or texts not in (1, 2):
        raise TeacherError(
            f"{FACTS_FILE} of the teacher {source.name!r} is damaged: it has no list of labels, or its "
            "kinds, bounds or number of texts make no sense. Restore the file, or fine-tune again."
        )

    return Ability(
        tuple(labels or ()),
        tuple(kinds),
        (bounds[0], bounds[1]) if bounds else None,
        facts.get("pooling") == "mean",
        texts,
    )


def _config_kinds(source: Source, config: PretrainedConfig, columns: int) -> tuple[str, ...]:
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


def _config_labels(source: Source, config: PretrainedConfig) -> tuple[str, ...]:
    with explained(source):
        names = {int(column): str(label) for column, label in config.id2label.items()}
    return tuple(names[column] for column in sorted(names))


def load_config(source: Source) -> PretrainedConfig:
    """The model's `transformers` config.

    Raises:
        TeacherError: It cannot be read, for instance offline.
    """
    if source.trust_remote_code:
        warnings.warn(
            f"teacher.{OPT_IN} is set: Python code that comes with {source.location} may run, and can do "
            "whatever you can do.",
            stacklevel=2,
        )
    with explained(source):
        return AutoConfig.from_pretrained(source.location, trust_remote_code=source.trust_remote_code)


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The model's tokenizer.

    Raises:
        TeacherError: It cannot be read, or would make unknown tokens of most words.
    """
    with explained(source):
        tokenizer = AutoTokenizer.from_pretrained(source.location, trust_remote_code=source.trust_remote_code)
    check_tokenizer(source, tokenizer, getattr(load_config(source), "vocab_size", None))
    return tokenizer


def load_body(source: Source) -> PreTrainedModel:
    """The encoder without a head, in float32.

    Raises:
        TeacherError: Weights are missing, damaged, or of another size than the config says.
    """
    return _load_weights(source, AutoModel)


def is_finetuned(source: Source, config: PretrainedConfig) -> bool:
    """Whether the weights bring a head, on texts or on tokens."""
    if any(name.endswith(HEADS) for name in config.architectures or ()):
        return True
    return read_optional_json(source, FACTS_FILE) is not None


def load_module(source: Source, ability: Ability) -> nn.Module:
    """The encoder with its head, in float32.

    Raises:
        TeacherError: Weights are missing, damaged, or of another size than the config says.
    """
    if not ability.is_mean_pooled:
        is_tagger = ability.kinds == ("tagging",)
        family = AutoModelForTokenClassification if is_tagger else AutoModelForSequenceClassification
        return Headed(_load_weights(source, family))

    module = MeanPooled(load_body(source), len(ability.labels))
    head = Path(source.location) / HEAD_FILE
    if not head.is_file():
        raise TeacherError(f"{head} is missing. Fine-tune the teacher again.")
    try:
        module.head.load_state_dict(load_file(head))
    except (SafetensorError, RuntimeError) as error:
        raise TeacherError(f"{head} is damaged: {error}. Fine-tune the teacher again.") from error
    return module


def _load_weights(source: Source, family: type[_BaseAutoModelClass]) -> PreTrainedModel:
    with explained(source):
        return family.from_pretrained(
            source.location, dtype=torch.float32, trust_remote_code=source.trust_remote_code
        )


@contextlib.contextmanager
def explained(source: Source) -> Iterator[None]:
    """Turn what loading raises into one sentence that says what to do."""
    try:
        yield
    except (UnderstudyError, MemoryError):
        raise
    except Exception as error:  # each file format has errors of its own, such as those of pickled weights
        raise TeacherError(_explanation(source, error)) from error


def _explanation(source: Source, error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if OPT_IN in str(error) and not source.trust_remote_code:
        return (
            f"The teacher {source.name!r} comes with Python code of its own, which is not run. Choose "
            f"another teacher; or read that code, and allow it with teacher.{OPT_IN}: true in the recipe."
        )

    if "mismatch" in str(error):
        return (
            f"The weights of the teacher {source.name!r} in {source.location!r} do not fit its config.json: "
            "they have other shapes. Fetch both again from one place."
        )

    if "weights_only" in str(error) or "Unpickl" in type(error).__name__:
        return (
            f"The weights of the teacher {source.name!r} in {source.location!r} are damaged, or pickled "
            "objects, which could run code and are not loaded. Fetch it again, or save it as safetensors."
        )

    return (
        f"The teacher {source.name!r} cannot be loaded from {source.location!r}: {lines[0]} Check the name; "
        "offline, give a folder, or install `understudy[demo]` for the default teacher."
    )


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
