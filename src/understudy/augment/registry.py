"""Steps by name. A recipe names them, so a name never changes its meaning.

A step is one file anywhere in this package: a config, a function, and `register` above it. No list names the
files: `discover` imports all modules of the package when a name is looked up that is not registered yet.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_type_hints

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


IS_PATH = "may name a file, a folder or a model"

PathOption = Annotated[str, IS_PATH]
"""Type of an option whose value may be a path: what is in it decides a pool, as the option itself does."""


@dataclass(frozen=True)
class StepContext:
    """What steps may use beside the texts.

    Attributes:
        seed: Seed of the step's own draws.
        labelled: Labelled texts, for filters that compare with them.
        predict: Texts → the teacher's logits ``(n, c)``, for filters that need them.
        labels: Labelled texts → the names of their labels, for steps that show labels to a model.
        are_words: Whether an item is the words of a sentence (tagging), and not a pair of texts.
        kept: Folder of a run in which bought answers are kept, whatever becomes of the pool.
        tagger: Words of texts → tags, in place of learnt classes.
        synonyms: Words → synonyms, in place of a file.
        progress: Where progress is shown.
    """

    seed: int = 0
    labelled: Sequence[Item] = ()
    predict: Callable[[Sequence[Item]], FloatArray] | None = None
    labels: Mapping[Item, tuple[str, ...]] = field(default_factory=dict)
    are_words: bool = False
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
        keeps_words: Whether items may be the words of sentences (tagging): no word is changed.
        source: The paper.
    """

    name: str
    kind: str
    config: type[DataclassInstance]
    run: Callable[..., Any]
    needs_teacher: bool
    needs_labels: bool
    is_source: bool
    keeps_words: bool
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


EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "dict": "names with values",
    "dataclass": "names with values",
}
"""What an option must be, by the first word of the kind of problem that pydantic reports."""

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
    keeps_words: bool = False,
) -> Callable[[F], F]:
    """Decorate a function to make it a step.

    Raises:
        RecipeError: The name is taken.
    """

    def add(run: F) -> F:
        if name in STEPS:
            raise RecipeError(f"There is a step {name!r} already. Give the new one another name.")
        STEPS[name] = StepSpec(
            name=name,
            kind=kind,
            config=config,
            run=run,
            needs_teacher=needs_teacher,
            needs_labels=needs_labels,
            is_source=is_source,
            keeps_words=keeps_words,
            source=source,
        )
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
        RecipeError: There is none; the message suggests the nearest.
    """
    if name not in STEPS:
        discover()
    if name not in STEPS:
        raise RecipeError(f"Unknown step {name!r}. {nearest(name, STEPS)}")
    return STEPS[name]


def step(name: str, options: Mapping[str, object] | None = None) -> Step:
    """A step with these options, the others at their defaults.

    Raises:
        RecipeError: Unknown name, unknown option, or a value that does not fit.
    """
    from pydantic import TypeAdapter, ValidationError

    registered, options = spec(name), {str(option): value for option, value in (options or {}).items()}

    of = OF_ALL
    if registered.kind != FILTER and not registered.is_source:
        of = str(options.pop("of", OF_ALL))
        check_choice(f"{name}.of", of, ORIGINALS)

    for option in options:
        if option not in {entry.name for entry in fields(registered.config)}:
            raise RecipeError(_no_such_option(name, option, registered.config))
    try:
        return Step(name, TypeAdapter(registered.config).validate_python(options), of)
    except ValidationError as error:
        raise RecipeError(_reason(name, registered.config, error.errors())) from error


def _reason(name: str, config: type[DataclassInstance], errors: Sequence[ErrorDetails]) -> str:
    """What is wrong with a step's options, in a sentence: all that is missing, or else the first problem."""
    problems = sorted(errors, key=lambda problem: problem["type"] != "missing")
    *outer, option = problems[0]["loc"] or ("",)
    kind, value = problems[0]["type"], problems[0]["input"]
    place = ".".join(map(str, (name, *outer)))

    if kind == "missing":
        same = [wrong["loc"] for wrong in problems if wrong["type"] == kind and [*wrong["loc"][:-1]] == outer]
        missing = [str(loc[-1]) for loc in same]
        example = f"{place.rpartition('.')[2]}: {{{', '.join(f'{option}: …' for option in missing)}}}"
        return f"{place} needs {' and '.join(missing)}. Say so in a recipe: {example}"
    if kind == "unexpected_keyword_argument":
        return _no_such_option(place, str(option), _config_at(config, outer))

    where = f"{place}.{option}".rstrip(".")
    # Options as a whole are not shown: a key may have been pasted among them.
    shown = f"{value!r:.60}" if isinstance(value, str | int | float) else f"of type {type(value).__name__}"
    if expected := EXPECTED.get(kind.partition("_")[0]):
        return f"{where} must be {expected}, but is {shown}."
    message = problems[0]["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{where}: {message}."


def _no_such_option(place: str, option: str, config: type[DataclassInstance]) -> str:
    known = [entry.name for entry in fields(config)]
    return f"{place} has no option {option!r}. {nearest(option, known)}"


def _config_at(config: type[DataclassInstance], path: Sequence[str | int]) -> type[DataclassInstance]:
    """The config of options within options."""
    for part in path:
        hint = get_type_hints(config)[str(part)]
        config = next(k for k in (hint, *get_args(hint)) if isinstance(k, type) and is_dataclass(k))
    return config


def read_steps(entries: Sequence[str | Mapping[str, Mapping[str, object] | None]]) -> tuple[Step, ...]:
    """Steps as a recipe lists them: ``["masking", {"eda": {"passes": 4}}]``.

    Raises:
        RecipeError: An entry is neither a name nor one name with its options, or `step` refuses it.
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
