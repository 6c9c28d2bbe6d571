"""Steps by name. A recipe names them, so a name never changes its meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from understudy.augment.rules.parts_of_speech import Tagger
from understudy.augment.rules.synonyms import Synonyms
from understudy.core.checks import check_choice
from understudy.core.progress import Progress, Silent
from understudy.core.task import FloatArray, Item
from understudy.errors import RecipeError, nearest

RULES, MODEL, FILTER = "rules", "model", "filter"
"""Kinds: makes texts by rules and streams; makes texts by other means; removes texts."""

OF_ALL, OF_LABELLED, OF_GIVEN = "all", "labelled", "given"
ORIGINALS = (OF_ALL, OF_LABELLED, OF_GIVEN)
"""What a step that makes texts may start from: the option ``of``."""


@dataclass(frozen=True)
class StepContext:
    """What steps may use beside the texts.

    Attributes:
        seed: of the step.
        labelled: labelled texts, for filters that compare with them.
        predict: texts → the teacher's logits ``(n, c)``, for filters that need them.
        labels: labelled texts → the names of their labels, for steps that tell a model of them.
        kept: folder of a run in which bought answers are kept, whatever becomes of the pool.
        tagger: words of texts → tags, in the place of learnt classes.
        synonyms: words → synonyms, in the place of a file.
        progress: audience.
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
        name: as a recipe says it.
        kind: `RULES`, `MODEL` or `FILTER`.
        config: frozen dataclass of its options.
        run: of rules (config, sample of texts, tools) → `Rule`; of models (config, items, tools) → lists of
            items; of filters (config, items, tools) → `Filtered`.
        needs_teacher: whether it reads the teacher's logits.
        needs_labels: whether it reads the labels of labelled texts.
        is_source: whether it brings texts of its own, and starts from none.
        source: the paper.
    """

    name: str
    kind: str
    config: type[Any]
    run: Callable[[Any, Any, StepContext], Any]
    needs_teacher: bool
    needs_labels: bool
    is_source: bool
    source: str


@dataclass(frozen=True)
class Step:
    """One line of a recipe.

    Attributes:
        name: registered.
        config: its options.
        of: which texts a step starts from that makes texts: one of `ORIGINALS`.
    """

    name: str
    config: Any
    of: str = OF_ALL

    @property
    def spec(self) -> StepSpec:
        """What is registered under the name."""
        return spec(self.name)


STEPS: dict[str, StepSpec] = {}
"""Every step by name."""

F = TypeVar("F", bound=Callable[..., Any])


def register(
    name: str,
    kind: str,
    *,
    config: type[Any],
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


def spec(name: str) -> StepSpec:
    """The registered step of that name.

    Raises:
        RecipeError: there is none; the message suggests the nearest.
    """
    if name not in STEPS:
        raise RecipeError(f"Unknown step {name!r}. {nearest(name, STEPS)}")
    return STEPS[name]


def step(name: str, options: Mapping[str, Any] | None = None) -> Step:
    """A step with these options, the others at their defaults.

    Raises:
        RecipeError: unknown name, unknown option, or a value that does not fit.
    """
    from pydantic import TypeAdapter, ValidationError

    found, options = spec(name), dict(options or {})
    known = [entry.name for entry in fields(found.config)]
    of = OF_ALL
    if found.kind != FILTER and not found.is_source:
        of = options.pop("of", OF_ALL)
        check_choice(f"{name}.of", of, ORIGINALS)
    for option in options:
        if option not in known:
            raise RecipeError(f"{name} has no option {option!r}. {nearest(option, known)}")
    try:
        return Step(name, TypeAdapter(found.config).validate_python(options), of)
    except ValidationError as error:
        if missing := [str(wrong["loc"][-1]) for wrong in error.errors() if wrong["type"] == "missing"]:
            example = f"{name}: {{{', '.join(f'{option}: …' for option in missing)}}}"
            raise RecipeError(
                f"{name} needs {' and '.join(missing)}. Say so in a recipe: {example}"
            ) from error
        first = error.errors()[0]
        where = ".".join(map(str, (name, *first["loc"])))
        said = first["msg"].removeprefix("Value error, ").rstrip(".")
        # Options as a whole are not shown: a key may have been pasted among them.
        given = f" Given: {first['input']!r}." if isinstance(first["input"], str | int | float) else ""
        raise RecipeError(f"{where}: {said}.{given}") from error


def read_steps(entries: Sequence[str | Mapping[str, Mapping[str, Any] | None]]) -> tuple[Step, ...]:
    """Steps as a recipe lists them: ``["masking", {"eda": {"passes": 4}}]``.

    Raises:
        RecipeError: an entry is neither a name nor one name with its options, or `step` refuses it.
    """
    return tuple(_read(entry) for entry in entries)


def _read(entry: str | Mapping[str, Mapping[str, Any] | None]) -> Step:
    if isinstance(entry, str):
        return step(entry)
    if len(entry) != 1:
        raise RecipeError(f"A step is one name with its options, but {dict(entry)} has {len(entry)}.")
    ((name, options),) = entry.items()
    return step(name, options)


def listing() -> Iterator[dict[str, Any]]:
    """Every step by name, JSON-ready."""
    for name in sorted(STEPS):
        found = STEPS[name]
        yield {
            "name": name,
            "kind": found.kind,
            "options": [entry.name for entry in fields(found.config)],
            "needs_teacher": found.needs_teacher,
            "source": found.source,
        }
