"""Students by versioned name. A name stands in every saved folder, so it never changes its meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from understudy.errors import RecipeError, nearest
from understudy.students.ragged import Ragged

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class TrainingDefaults:
    """What a student is trained with unless a recipe says otherwise.

    Attributes:
        epochs: passes over the transfer set, at most.
        batch_size: texts a step.
        learning_rate: peak rate of AdamW.
        patience: epochs without a better dev score before stopping.
        is_bucketed: whether batches hold texts of similar lengths (for students that pad).
    """

    epochs: int
    batch_size: int
    learning_rate: float
    patience: int = 10
    is_bucketed: bool = False


class Student(Protocol):
    """What every student module offers beside `nn.Module`."""

    config: Any

    def __call__(self, batch: Ragged) -> Tensor:
        """Logits ``(b, c)`` of a batch."""
        ...

    def to_onnx(self) -> onnx.ModelProto:
        """The same function as a graph: ``ids (b, t), lengths (b,) -> logits (b, c)``, any b, any t."""
        ...


@dataclass(frozen=True)
class Spec:
    """A registered student.

    Attributes:
        name: versioned name.
        module: class of the module, called as ``module(config, labels)``.
        config: frozen dataclass with the sizes, among them ``vocabulary_size`` and ``max_words``.
        parameters: (config, labels) → number of trained parameters, by formula.
        training: defaults.
        source: the paper.
    """

    name: str
    module: Callable[[Any, int], nn.Module]
    config: type[Any]
    parameters: Callable[[Any, int], int]
    training: TrainingDefaults
    source: str


STUDENTS: dict[str, Spec] = {}
"""Every student by name."""

M = TypeVar("M", bound=type[nn.Module])


def register(
    name: str,
    *,
    config: type[Any],
    parameters: Callable[[Any, int], int],
    training: TrainingDefaults,
    source: str,
) -> Callable[[M], M]:
    """Decorate a module class to make it a student.

    Raises:
        RecipeError: the name is taken.
    """

    def add(module: M) -> M:
        if name in STUDENTS:
            raise RecipeError(f"There is a student {name!r} already. Give the new one another version.")
        STUDENTS[name] = Spec(name, module, config, parameters, training, source)
        return module

    return add


def spec(name: str) -> Spec:
    """The registered student of that name.

    Raises:
        RecipeError: there is none; the message suggests the nearest.
    """
    if name not in STUDENTS:
        raise RecipeError(f"Unknown student {name!r}. {nearest(name, STUDENTS)}")
    return STUDENTS[name]


def build(name: str, labels: int, *, seed: int, **sizes: Any) -> nn.Module:
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
        return found.module(found.config(**sizes), labels)


def rebuild(name: str, config: Mapping[str, Any], labels: int) -> nn.Module:
    """A student from its saved config, to load weights into."""
    return build(name, labels, seed=0, **config)


def describe(name: str, module: Any) -> dict[str, Any]:
    """A student's name and sizes, JSON-ready, as `rebuild` reads them."""
    return {"name": name, "config": asdict(module.config)}


def count_parameters(module: nn.Module) -> int:
    """Number of parameters, trained or frozen."""
    return sum(parameter.numel() for parameter in module.parameters())
