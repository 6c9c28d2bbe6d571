"""Read, merge, check and write recipes: flags over a file over defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from understudy.errors import RecipeError
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.recipe_problems import problems_of, with_lists


def make_recipe(
    file: Path | None = None, flags: Mapping[str, Any] | None = None, assignments: Sequence[str] = ()
) -> Recipe:
    """Put a recipe together: the file, over it the flags, over those the assignments.

    Args:
        file: YAML.
        flags: dotted key → value, such as ``{"data.source": "sst2"}``; ``None`` values say nothing.
        assignments: ``key=value`` as ``--set`` takes them; the value is YAML.

    Raises:
        RecipeError: everything that is wrong, at once.
    """
    tree = _read(file) if file else {}
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


def check(tree: Mapping[str, Any], where: str | None = None) -> Recipe:
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


def _read(file: Path) -> dict[str, Any]:
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


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        below = tree.setdefault(parent, {})
        if not isinstance(below, dict):
            raise RecipeError(f"{key!r} cannot be set: {parent!r} is a single value, {below!r}.")
        tree = below
    tree[last] = value
