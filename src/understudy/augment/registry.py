"""Steps by name. A recipe names them, so a name never changes its meaning.

A step is one file anywhere in this package: a config, a function, and `register` above it. No list names the
files: `discover` imports all modules of the package when a name is looked up that is not registered yet.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from understudy.augment.rules.parts_of_speech import Tagger
from understudy.augment.rules.synonyms import Synonyms
from understudy.core.checks import check_choice
from understudy.core.progress import Progress, Silent
from understudy.core.task import FloatArray, Item
from understudy.errors import RecipeError, nearest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic_core import ErrorDetails

RULES, MODEL, FILTER = "rules", "model", "filter"
"""Kinds of step: makes texts by rules, and streams; makes texts by other means; removes texts."""

OF_ALL, OF_LABELLED, OF_GIVEN = "all", "labelled", "given"
ORIGINALS = (OF_ALL, OF_LABELLED, OF_GIVEN)
"""What a step that makes texts may start from: the option ``of``."""


@dataclass(frozen=True)
class StepContext:
    """What steps may use beside the texts.

    Attributes:
        seed: Seed of the step's own draws.
        labelled: Labelled texts, for filters that compare with them.
        predict: Texts → the teacher's logits ``(n, c)``, for filters that need them.
        labels: Labelled texts → the names of their labels, for steps that show labels to a model.
        kept: Folder of a run in which bought answers are kept, whatever becomes of the pool.
        tagger: Words of texts → tags, in place of learnt classes.
        synonyms: Words → synonyms, in place of a file.
        progress: Where progress is shown.
    """

    seed: int = 0
    labelled: Sequence[Item] = ()
    predict: Callable[[Sequence[Item]], FloatArray] | None = None
    labels: Mapping[Item, tuple[str, ...]] = field(default_factory=dict)
    kept: Path | None = None
    tagger: Tagger | None = None
    synonyms: Synonyms | None = None
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True)
class StepSpec:
    """A registered step.

    Attributes:
        name: Name in a recipe.
        kind: `RULES`, `MODEL` or `FILTER`.
        config: Frozen dataclass of its options.
        run: Called with the config, the texts and a `StepContext`. A step of rules gets a sample of texts and
            returns a `Rule`, a model gets items and yields lists of items, a filter gets items and returns
            `Filtered`.
        needs_teacher: Whether it reads the teacher's logits.
        needs_labels: Whether it reads the labels of labelled texts.
        is_source: Whether it brings texts of its own, and starts from none.
        source: The paper.
    """

    name: str
    kind: str
    config: type[DataclassInstance]
    run: Callable[..., Any]
    needs_teacher: bool
    needs_labels: bool
    is_source: bool
    source: str


@dataclass(frozen=True)
class Step:
    """One line of a recipe.

    Attributes:
        name: A registered name.
        config: Its options.
        of: Which texts a step that makes texts starts from: one of `ORIGINALS`.
    """

    name: str
    config: Any
    of: str = OF_ALL

    @property
    def spec(self) -> StepSpec:
        """What is registered under the name."""
        return spec(self.name)


STEPS: dict[str, StepSpec] = {}
"""The steps whose files were imported so far; `known_steps` has all."""

F = TypeVar("F", bound=Callable[..., object])


def register(
    name: str,
    kind: str,
    *,
    config: type[DataclassInstance],
    source: str,
    needs_teacher: bool = False,
    needs_labels: bool = False,
    is_source: bool = False,
) -> Callable[[F], F]:
    """Decorate a function to make it a step.

    Raises:
        RecipeError: the name is taken.
    """

    def add(run: F) -> F:
        if name in STEPS:
            raise RecipeError(f"There is a step {name!r} already. Give the new one another name.")
        STEPS[name] = StepSpec(name, kind, config, run, needs_teacher, needs_labels, is_source, source)
        return run

    return add


def discover() -> None:
    """Import every module of this package, in alphabetical order, so that all steps register themselves."""
    package = importlib.import_module(__package__)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


def known_steps() -> dict[str, StepSpec]:
    """Every step, ordered by name."""
    discover()
    return dict(sorted(STEPS.items()))


def spec(name: str) -> StepSpec:
    """The registered step of that name.

    Raises:
        RecipeError: there is none; the message suggests the nearest.
    """
    if name not in STEPS:
        discover()
    if name not in STEPS:
        raise RecipeError(f"Unknown step {name!r}. {nearest(name, STEPS)}")
    return STEPS[name]


def step(name: str, options: Mapping[str, object] | None = None) -> Step:
    """A step with these options, the others at their defaults.

    Raises:
        RecipeError: unknown name, unknown option, or a value that does not fit.
    """
    from pydantic import TypeAdapter, ValidationError

    registered, options = spec(name), dict(options or {})
    known = [entry.name for entry in fields(registered.config)]

    of = OF_ALL
    if registered.kind != FILTER and not registered.is_source:
        of = str(options.pop("of", OF_ALL))
        check_choice(f"{name}.of", of, ORIGINALS)

    for option in options:
        if option not in known:
            raise RecipeError(f"{name} has no option {option!r}. {nearest(str(option), known)}")
    try:
        return Step(name, TypeAdapter(registered.config).validate_python(options), of)
    except ValidationError as error:
        raise RecipeError(_reason(name, error.errors())) from error


def _reason(name: str, errors: Sequence[ErrorDetails]) -> str:
    """What is wrong with a step's options, in a sentence."""
    if missing := [str(wrong["loc"][-1]) for wrong in errors if wrong["type"] == "missing"]:
        example = f"{name}: {{{', '.join(f'{option}: …' for option in missing)}}}"
        return f"{name} needs {' and '.join(missing)}. Say so in a recipe: {example}"

    first = errors[0]
    where = ".".join(map(str, (name, *first["loc"])))
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    # Options as a whole are not shown: a key may have been pasted among them.
    value = f" Given: {first['input']!r}." if isinstance(first["input"], str | int | float) else ""
    return f"{where}: {message}.{value}"


def read_steps(entries: Sequence[str | Mapping[str, Mapping[str, object] | None]]) -> tuple[Step, ...]:
    """Steps as a recipe lists them: ``["masking", {"eda": {"passes": 4}}]``.

    Raises:
        RecipeError: an entry is neither a name nor one name with its options, or `step` refuses it.
    """
    return tuple(_read(entry) for entry in entries)


def _read(entry: object) -> Step:
    if isinstance(entry, str):
        return step(entry)
    if not isinstance(entry, Mapping):
        raise RecipeError(f"A step is a name, or one name with its options, but {entry!r} is neither.")
    if len(entry) != 1:
        raise RecipeError(f"A step is one name with its options, but {dict(entry)} has {len(entry)}.")

    ((name, options),) = entry.items()
    if not isinstance(name, str):
        raise RecipeError(f"A step is a name, or one name with its options, but {name!r} is not a name.")
    if not isinstance(options, Mapping | None):
        raise RecipeError(  # without the value: a key may have been pasted
            f"The options of the step {name!r} must be names with values, as in {{p: 0.2}}, but are of type "
            f"{type(options).__name__}."
        )
    return step(name, options)
