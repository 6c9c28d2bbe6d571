"""Read, merge, check and write recipes: flags over a file over defaults."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from understudy.data.catalogue import CATALOGUE
from understudy.errors import RecipeError
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.recipe_problems import problems_of, with_lists
from understudy.pipeline.run_folder import is_run

PATH_KEYS = (
    ("data", "source"),
    ("data", "unlabelled"),
    ("teacher", "table"),
    ("teacher", "table", "path"),
    ("teacher", "endpoint", "tokenizer"),
    ("training", "embeddings"),
)
"""Keys of a recipe whose values may be paths."""

GLOB = frozenset("*?[")
"""Characters that turn a path into a pattern."""


def make_recipe(
    file: Path | None = None, flags: Mapping[str, object] | None = None, assignments: Sequence[str] = ()
) -> Recipe:
    """Put a recipe together: flags override the file, and assignments override both.

    Args:
        file: A file in YAML. Relative paths in it are found beside it.
        flags: Dotted key → value, such as ``{"data.source": "sst2"}``; ``None`` sets nothing.
        assignments: ``key=value`` as ``--set`` takes them; the value is YAML.

    Raises:
        RecipeError: All problems of the recipe at once.
    """
    tree = _beside(with_lists(_read(file)), file.resolve().parent) if file else {}
    for key, value in (flags or {}).items():
        if value is not None:
            _put(tree, key, value)

    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise RecipeError(
                f"--set takes key=value, but got {assignment!r}. Example: --set training.epochs=5"
            )
        if not value.strip():
            raise RecipeError(f"--set {assignment} gives no value. For none at all, write {key}=null.")
        _put(tree, key.strip(), _parse(value, f"--set {assignment}"))

    return check(tree, str(file) if file else None)


def check(tree: Mapping[str, object], where: str | None = None) -> Recipe:
    """Validate a nested mapping.

    Args:
        tree: The recipe.
        where: Name of the file that it comes from, for the message.

    Raises:
        RecipeError: All problems of the recipe at once.
    """
    listed = with_lists(tree)
    problems = problems_of(listed)
    if not problems:
        return Recipe.model_validate(listed)
    place = f" ({where})" if where else ""
    head = "The recipe has a problem" if len(problems) == 1 else f"The recipe has {len(problems)} problems"
    raise RecipeError(f"{head}{place}:\n" + "\n".join(f"  {problem}" for problem in problems))


def to_yaml(recipe: Recipe) -> str:
    """The resolved recipe with every default, as the text of a file that `make_recipe` reads.

    Students that are those of the kind of task, which is not known yet, are left out.
    """
    tree = recipe.model_dump(mode="json", exclude=None if recipe.students else {"students"})
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def with_whole_paths(recipe: Recipe) -> Recipe:
    """The recipe with absolute paths of data, unlabelled files and models: it can be run from any folder.

    The other paths stay as they are, because stages that are done already are known by them.
    """
    source = recipe.data.source
    data = recipe.data.model_copy(
        update={
            "source": None if source is None else _whole(source, Path.cwd()),
            "unlabelled": tuple(_whole(pattern, Path.cwd()) for pattern in recipe.data.unlabelled),
        }
    )

    model: object = recipe.teacher.model
    if isinstance(model, str):
        model = _whole_models(model, Path.cwd())
    elif isinstance(model, tuple):
        model = tuple(_whole(name, Path.cwd()) for name in model)
    teacher = recipe.teacher.model_copy(update={"model": model})
    return recipe.model_copy(update={"data": data, "teacher": teacher})


def _beside(tree: dict[str, object], folder: Path) -> dict[str, object]:
    """Make relative paths of a recipe absolute: they start from the recipe's folder, not the current one.

    A path that leads nowhere from there is left as it is: it may be a name, or start from the current folder.
    """
    # In the current folder nothing needs to change, and stages that a path identifies stay valid. The recipe
    # of a run holds paths that start from where the run was started.
    if folder == Path.cwd() or is_run(folder):
        return tree

    for keys in PATH_KEYS:
        part: object = tree
        for key in keys[:-1]:
            part = part.get(key) if isinstance(part, dict) else None
        if isinstance(part, dict):
            _make_absolute(part, keys[-1], folder)

    teacher = tree.get("teacher")
    if isinstance(teacher, dict) and isinstance(teacher.get("model"), str):
        teacher["model"] = _whole_models(teacher["model"], folder)
    elif isinstance(teacher, dict):
        _make_absolute(teacher, "model", folder)

    steps = tree.get("augment")
    for step in steps if isinstance(steps, list) else ():
        for name, options in step.items() if isinstance(step, dict) else ():
            _options_beside(name, options, folder)
    return tree


def _options_beside(step: str, options: object, folder: Path) -> None:
    """Make paths in the options of a step of augment absolute; an option may be a step of its own."""
    from understudy.augment.fingerprint import path_options
    from understudy.augment.registry import known_steps

    if not isinstance(options, dict) or step not in known_steps():
        return
    for name in path_options(known_steps()[step].config) | {
        "tokenizer"
    }:  # the folder of a server's tokeniser
        _make_absolute(options, name, folder)
    for name, inner in options.items():
        _options_beside(name, inner, folder)


def _make_absolute(part: dict[str, object], key: str, folder: Path) -> None:
    """Make the path or the paths under one key absolute."""
    value = part.get(key)
    if isinstance(value, str):
        part[key] = _whole(value, folder)
    elif isinstance(value, list):
        part[key] = [_whole(each, folder) if isinstance(each, str) else each for each in value]


def _whole_models(names: str, folder: Path) -> str | tuple[str, ...]:
    """The absolute path of a model, or of each of several with ``+`` between them; names stay names."""
    whole = _whole(names, folder)
    if whole != names:
        return whole  # the name of a folder is never split

    # A path may have a + of its own, so that absolute paths are not joined again.
    members = [name.strip() for name in names.split("+")]
    absolute = tuple(_whole(name, folder) for name in members)
    return names if list(absolute) == members else absolute


def _whole(name: str, folder: Path) -> str:
    """The absolute path of a file, folder or glob that exists in ``folder``; otherwise the name itself."""
    path = Path(name)
    if path.is_absolute() or not name.strip() or name.startswith("~") or name in CATALOGUE:
        return name
    try:
        is_there = (folder / path).exists() or (GLOB & set(name) and any(folder.glob(name)))
    except (OSError, ValueError):  # no file can have this name: it is too long, for instance
        return name
    if not is_there:
        return name
    is_pattern = bool(GLOB & set(name)) and not (folder / path).exists()
    return os.path.join(glob.escape(str(folder)), name) if is_pattern else str(folder / path)  # noqa: PTH118


def _read(file: Path) -> dict[str, object]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"The recipe {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"The recipe {file} is not UTF-8: {error}.") from error
    tree = _parse(text, str(file))
    if not isinstance(tree, dict):
        raise RecipeError(f"The recipe {file} is not a mapping of keys to values.")
    return tree


def _parse(text: str, where: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: this is not YAML: {error}") from error
    except (RecursionError, ValueError) as error:
        raise RecipeError(f"{where}: this YAML is nested too deeply, or has a value out of range.") from error


def _put(tree: dict[str, object], key: str, value: object) -> None:
    """Set a dotted key."""
    *parents, last = key.split(".")
    for parent in parents:
        below = tree.setdefault(parent, {})
        if not isinstance(below, dict):
            raise RecipeError(f"{key!r} cannot be set: {parent!r} is a single value, {below!r}.")
        tree = below
    tree[last] = value
