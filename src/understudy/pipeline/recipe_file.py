"""Read, merge, check and write recipes: flags over a file over defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from understudy.data.catalogue import CATALOGUE
from understudy.errors import RecipeError
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.recipe_problems import problems_of, with_lists

PATHS = (
    ("data", "source"),
    ("data", "unlabelled"),
    ("teacher", "model"),
    ("teacher", "table"),
    ("teacher", "table", "path"),
    ("training", "embeddings"),
)
"""Keys of a recipe whose values may be paths."""

STEP_PATHS = {"back", "model", "sources", "synonyms", "tags", "there", "vectors"}
"""Options of steps of augment whose values may be paths."""

GLOB = frozenset("*?[")
"""Characters that make a pattern of a path."""


def make_recipe(
    file: Path | None = None, flags: Mapping[str, object] | None = None, assignments: Sequence[str] = ()
) -> Recipe:
    """Put a recipe together: the file, over it the flags, over those the assignments.

    Args:
        file: YAML.
        flags: dotted key → value, such as ``{"data.source": "sst2"}``; ``None`` values say nothing.
        assignments: ``key=value`` as ``--set`` takes them; the value is YAML.

    Raises:
        RecipeError: everything that is wrong, at once.
    """
    tree = _beside(_read(file), file.resolve().parent) if file else {}
    for key, value in (flags or {}).items():
        if value is not None:
            _put(tree, key, value)
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise RecipeError(
                f"--set takes key=value, but got {assignment!r}. Example: --set training.epochs=5"
            )
        _put(tree, key.strip(), _parse(value, f"--set {assignment}"))
    return check(tree, str(file) if file else None)


def check(tree: Mapping[str, object], where: str | None = None) -> Recipe:
    """Validate a nested mapping, and name every problem in one error."""
    listed = with_lists(tree)
    problems = problems_of(listed)
    if not problems:
        return Recipe.model_validate(listed)
    place = f" ({where})" if where else ""
    head = "The recipe has a problem" if len(problems) == 1 else f"The recipe has {len(problems)} problems"
    raise RecipeError(f"{head}{place}:\n" + "\n".join(f"  {problem}" for problem in problems))


def to_yaml(recipe: Recipe) -> str:
    """The resolved recipe, every default written out, as a file that `make_recipe` reads."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def with_whole_paths(recipe: Recipe) -> Recipe:
    """The recipe with whole paths of data, unlabelled files and teacher: it can be run from any folder."""
    source = recipe.data.source
    data = recipe.data.model_copy(
        update={
            "source": None if source is None else _whole(source, Path.cwd()),
            "unlabelled": tuple(_whole(pattern, Path.cwd()) for pattern in recipe.data.unlabelled),
        }
    )
    model = recipe.teacher.model
    names = model if isinstance(model, tuple) else (model,)
    whole = tuple(name and _whole(name, Path.cwd()) for name in names)
    teacher = recipe.teacher.model_copy(update={"model": whole if isinstance(model, tuple) else whole[0]})
    return recipe.model_copy(update={"data": data, "teacher": teacher})


def _beside(tree: dict[str, object], folder: Path) -> dict[str, object]:
    """A recipe's tree in which relative paths are found beside the recipe, whatever the current folder is.

    A path that does not lead anywhere from there is left as it is: it may be a name, or a path that the
    current folder knows.
    """
    for keys in PATHS:
        part: Any = tree
        for key in keys[:-1]:
            part = part.get(key) if isinstance(part, dict) else None
        held = part.get(keys[-1]) if isinstance(part, dict) else None
        if isinstance(held, str):
            part[keys[-1]] = _whole(held, folder)
        elif isinstance(held, list):
            part[keys[-1]] = [_whole(each, folder) if isinstance(each, str) else each for each in held]
    tree_steps = tree.get("augment")
    for step in tree_steps if isinstance(tree_steps, list) else ():
        for options in step.values() if isinstance(step, dict) else ():
            _options_beside(options, folder)
    return tree


def _options_beside(options: object, folder: Path) -> None:
    """The same for the options of a step of augment."""
    if not isinstance(options, dict):
        return
    for name in STEP_PATHS & options.keys():
        held = options[name]
        if isinstance(held, str):
            options[name] = _whole(held, folder)
        elif isinstance(held, list):
            options[name] = [_whole(each, folder) if isinstance(each, str) else each for each in held]


def _whole(name: str, folder: Path) -> str:
    """The whole path of a file, folder or glob that leads somewhere from ``folder``; else the name itself."""
    path = Path(name)
    if path.is_absolute() or not name.strip() or name.startswith("~") or name in CATALOGUE:
        return name
    try:
        is_there = (folder / path).exists() or (GLOB & set(name) and any(folder.glob(name)))
    except (OSError, ValueError):  # a name that no file can have, such as a very long sentence
        return name
    return str(folder / path) if is_there else name


def _read(file: Path) -> dict[str, object]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"The recipe {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"The recipe {file} is not UTF-8: {error}.") from error
    tree = _parse(text, str(file))
    if not isinstance(tree, dict):
        raise RecipeError(f"The recipe {file} is no mapping of keys to values.")
    return tree


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: this is no YAML: {error}") from error


def _put(tree: dict[str, object], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        below = tree.setdefault(parent, {})
        if not isinstance(below, dict):
            raise RecipeError(f"{key!r} cannot be set: {parent!r} is a single value, {below!r}.")
        tree = below
    tree[last] = value
