"""Students by versioned name. A name stands in every saved folder, so it never changes its meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

import torch
from torch import nn

from understudy.errors import RecipeError, nearest
from understudy.students.network import FEATURES, Network


@dataclass(frozen=True)
class TrainingDefaults:
    """What a student is trained with unless a recipe says otherwise.

    Attributes:
        epochs: passes over the transfer set, at most.
        batch_size: texts a step.
        learning_rate: peak rate of AdamW.
        patience: epochs without a better dev score before stopping.
        is_bucketed: whether batches hold texts of similar lengths (for students that pad).
        pair: how two texts are read: ``diffcat`` or ``joint``.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    patience: int = 10
    is_bucketed: bool = False
    pair: str = "diffcat"


@dataclass(frozen=True)
class Spec:
    """A registered student.

    Attributes:
        name: versioned name.
        encoder: class of the encoder, called as ``encoder(config)``.
        config: frozen dataclass with the sizes, among them ``vocabulary_size`` and ``max_words``.
        head: (config, width, labels) → head that reads ``width`` features.
        formula: (config, labels, features) → number of parameters; ``features`` is 1, or 3 for pairs apart.
        training: defaults.
        source: the paper.
    """

    name: str
    encoder: Callable[[Any], nn.Module]
    config: type[Any]
    head: Callable[[Any, int, int], nn.Module]
    formula: Callable[[Any, int, int], int]
    training: TrainingDefaults
    source: str

    def parameters(self, config: Any, labels: int, form: str = "text") -> int:
        """Number of parameters, by formula."""
        return self.formula(config, labels, FEATURES[form])

    def module(self, config: Any, labels: int, form: str = "text") -> Network:
        """A network with random weights."""
        encoder: Any = self.encoder(config)
        if form == "tokens" and not hasattr(encoder, "tokens"):
            raise RecipeError(f"{self.name} has no features of single words, so it cannot tag them.")
        width = encoder.token_width if form == "tokens" else encoder.width
        return Network(encoder, self.head(config, FEATURES[form] * width, labels), form)


STUDENTS: dict[str, Spec] = {}
"""Every student by name."""

M = TypeVar("M", bound=type[nn.Module])


def register(
    name: str,
    *,
    config: type[Any],
    head: Callable[[Any, int, int], nn.Module],
    parameters: Callable[[Any, int, int], int],
    training: TrainingDefaults,
    source: str,
) -> Callable[[M], M]:
    """Decorate an encoder class to make it a student.

    Raises:
        RecipeError: the name is taken.
    """

    def add(encoder: M) -> M:
        if name in STUDENTS:
            raise RecipeError(f"There is a student {name!r} already. Give the new one another version.")
        STUDENTS[name] = Spec(name, encoder, config, head, parameters, training, source)
        return encoder

    return add


def spec(name: str) -> Spec:
    """The registered student of that name.

    Raises:
        RecipeError: there is none; the message suggests the nearest.
    """
    if name not in STUDENTS:
        raise RecipeError(f"Unknown student {name!r}. {nearest(name, STUDENTS)}")
    return STUDENTS[name]


def build(name: str, labels: int, *, seed: int, form: str = "text", **sizes: Any) -> Network:
    """A new student with random weights; the same seed gives the same weights.

    Raises:
        RecipeError: unknown name, or a size that this student does not have.
    """
    found = spec(name)
    known = [field.name for field in fields(found.config)]
    for size in sizes:
        if size not in known:
            raise RecipeError(f"{name} has no size {size!r}. {nearest(size, known)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return found.module(found.config(**sizes), labels, form)


def rebuild(name: str, config: Mapping[str, Any], labels: int, form: str = "text") -> Network:
    """A student from its saved config, to load weights into."""
    return build(name, labels, seed=0, form=form, **config)


def listing(
    labels: int = 2, vocabulary_size: int | None = None, head: str | None = None, form: str = "text"
) -> list[dict[str, Any]]:
    """Every student with its number of parameters, JSON-ready.

    Args:
        labels: number of logits.
        vocabulary_size: rows of the embedding table; ``None`` takes each student's own.
        head: for the students that have a choice of heads; the others keep theirs.
        form: ``text``, or ``diffcat`` for pairs whose texts are encoded apart.
    """
    rows = []
    for name in sorted(STUDENTS):
        found = STUDENTS[name]
        known = {field.name for field in fields(found.config)}
        asked = {"vocabulary_size": vocabulary_size, "head": head}
        sizes = {key: value for key, value in asked.items() if value is not None and key in known}
        config = found.config(**sizes)
        rows.append(
            {
                "name": name,
                "parameters": found.parameters(config, labels, form),
                "vocabulary_size": config.vocabulary_size,
                "tags_words": hasattr(found.encoder, "tokens"),
                "source": found.source,
            }
        )
    return rows


def describe(name: str, module: Network) -> dict[str, Any]:
    """A student's name, sizes and form, JSON-ready, as `rebuild` reads them."""
    return {"name": name, "config": asdict(module.config), "form": module.form}


def count_parameters(module: nn.Module) -> int:
    """Number of parameters, trained or frozen."""
    return sum(parameter.numel() for parameter in module.parameters())
