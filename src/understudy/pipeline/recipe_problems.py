"""Everything that is wrong with a recipe, in our words, and where possible without importing torch.

The recipe's model stops at the first bad value of each part, and speaks of Python's types. Here each part is
looked at again, value by value, and each problem becomes a sentence with its key, its value and what to do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from understudy.errors import nearest
from understudy.pipeline.recipe import Recipe

Tree = Mapping[str, object]
Key = tuple[str | int, ...]

LISTS: tuple[tuple[str, ...], ...] = (("students",), ("augment",), ("data", "unlabelled"))
"""Keys that hold lists; a single value stands for a list of one."""

GOVERNING = "name"
"""A key that decides what its neighbours mean: they are not judged where it is wrong itself."""

EXPECTED = {
    "string_type": "a text",
    "string_unicode": "a text of whole characters",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "dataclass_type": "keys with values",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
"""What a value should have been, by the type of the model's complaint."""

BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
"""Complaint about a number → the name of its bound, and what the bound asks for."""


MOST_SHOWN = 60
"""Characters of a value that a message shows, at most."""


@dataclass(frozen=True)
class _Problem:
    """One complaint of the model.

    Attributes:
        key: where in the recipe.
        kind: type of the complaint.
        message: words of our own check, or of the model.
        context: what the complaint is about, such as a bound.
    """

    key: Key
    kind: str
    message: str
    context: Mapping[str, object]


def with_lists(tree: Tree) -> dict[str, object]:
    """The tree with a list of one where a single value stands for it."""
    listed = dict(tree)
    for first, *rest in LISTS:
        if not rest:
            if isinstance(listed.get(first), str | dict):
                listed[first] = [listed[first]]
            continue
        part, key = listed.get(first), rest[0]
        if isinstance(part, dict) and isinstance(part.get(key), str):
            listed[first] = {**part, key: [part[key]]}
    return listed


def problems_of(tree: Tree) -> list[str]:
    """A sentence for each problem of a recipe; none where it is valid.

    Everything but the students is looked at first, which does not import torch. A name that no student has
    is found from the sources of the students, so that a mistyped one is reported at once, too.
    """
    others = {key: value for key, value in tree.items() if key != "students"}
    early = [*_unknown_students(tree), *_sentences(others)]
    if not early:
        return _sentences(tree)
    if "students" not in tree:
        return early

    students = tree["students"]
    if isinstance(students, list | tuple) and students:
        students = [one for one in students if not _is_unknown(one)]
        if all(isinstance(one, str) and ":" not in one for one in students):
            return early  # no name has options that only their classes could check
    return list(dict.fromkeys([*early, *_sentences({**others, "students": students})]))


def _unknown_students(tree: Tree) -> list[str]:
    students = tree.get("students")
    unknown = [one for one in students if _is_unknown(one)] if isinstance(students, list | tuple) else []
    return [f"students: Unknown student {name!r}. {nearest(name, student_names())}" for name in unknown]


def _is_unknown(student: object) -> bool:
    return isinstance(student, str) and student.partition(":")[0] not in student_names()


def student_names() -> frozenset[str]:
    """The names of all students, without importing torch where nothing else has."""
    registry = sys.modules.get("understudy.students.registry")
    return frozenset(registry.STUDENTS) if registry is not None else _names_in_sources()


@cache
def _names_in_sources() -> frozenset[str]:
    folder = Path(__file__).parents[1] / "students"
    sources = (file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    return frozenset(name for source in sources for name in re.findall(r'"([a-z-]+\.v\d+)"', source))


def _sentences(tree: Tree) -> list[str]:
    """A sentence for each complaint, without repetitions; several complaints about one value are one."""
    found: list[str] = []
    by_key: dict[Key, list[_Problem]] = {}
    for problem in _complaints(tree):
        if problem.kind == "value_error":
            found += [_with_key(key, message) for key, message in _each(tree, problem)]
        elif not _follows(tree, problem):
            by_key.setdefault(problem.key, []).append(problem)
    found += [_sentence(tree, problems) for problems in by_key.values()]
    return list(dict.fromkeys(found))


def _follows(tree: Tree, problem: _Problem) -> bool:
    """Whether a list is only too short since one of its values is wrong, which is a problem of its own."""
    value = _at(tree, problem.key) if problem.kind == "too_short" else None
    return isinstance(value, list | tuple) and len(value) > 0


def _complaints(tree: Tree) -> list[_Problem]:
    try:
        Recipe.model_validate(tree)
    except ValidationError as error:
        return [
            _Problem(
                _real_key(tree, each["loc"], each["type"]),
                each["type"],
                each["msg"].removeprefix("Value error, "),
                each.get("ctx") or {},
            )
            for each in error.errors()
        ]
    return []


def _real_key(tree: Tree, location: Key, kind: str) -> Key:
    """The part of a location that is in the recipe: behind it stand names of Python types."""
    if kind == "missing":
        return location
    part: object = tree
    for depth, step in enumerate(location):
        is_there = (isinstance(part, dict) and step in part) or (
            isinstance(part, list | tuple) and isinstance(step, int) and step < len(part)
        )
        if not is_there:
            return location[:depth]
        part = part[step]  # type: ignore[index]
    return location


def _each(tree: Tree, problem: _Problem) -> Iterator[tuple[Key, str]]:
    """The problems of a part whose checks stop at the first one: key and message of each."""
    part = _at(tree, problem.key)
    if isinstance(part, list | tuple) and len(problem.key) == 1:
        alone = [_message_at({**tree, str(problem.key[0]): [item]}, problem.key) for item in part]
        messages = [message for message in alone if message]
        yield from ((problem.key, message) for message in messages or [problem.message])
        return

    yield problem.key, problem.message
    message, left = problem.message, part
    while problem.key and isinstance(left, dict):
        culprit = _culprit(tree, problem.key, left, message)
        if culprit is None or culprit == GOVERNING:
            return
        left = {name: value for name, value in left.items() if name != culprit}
        message = _message_at(_put(tree, problem.key, left), problem.key)
        if not message:
            return
        yield problem.key, message


def _culprit(tree: Tree, key: Key, part: Mapping[str, object], message: str) -> str | None:
    """The value of a part that a message is about: without it, the message goes, and nothing is missing."""
    for name in part:
        rest = {other: value for other, value in part.items() if other != name}
        complaints = [one for one in _complaints(_put(tree, key, rest)) if one.key[: len(key)] == key]
        if all(one.message != message and one.kind != "missing" for one in complaints):
            return name
    return None


def _message_at(tree: Tree, key: Key) -> str:
    """What our own check says of a part, or nothing."""
    messages = (one.message for one in _complaints(tree) if one.key == key and one.kind == "value_error")
    return next(messages, "")


def _at(tree: object, key: Key) -> object:
    for step in key:
        tree = tree[step]  # type: ignore[index]
    return tree


def _put(tree: Tree, key: Key, value: object) -> dict[str, object]:
    """A copy of the tree with another value under a key."""
    first, *rest = key
    below = tree[str(first)]
    return {
        **tree,
        str(first): _put(below, tuple(rest), value) if rest and isinstance(below, dict) else value,
    }


def _sentence(tree: Tree, problems: Sequence[_Problem]) -> str:
    """What is wrong with one value; where it may be of several kinds, all of them are named."""
    first = problems[0]
    if first.kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return _with_key(
            first.key, f"unknown key. {nearest(str(first.key[-1]), _keys_beside(first.key[:-1]))}"
        )
    if first.kind == "missing":
        return _with_key(first.key, "is missing.")

    value = _at(tree, first.key)
    wanted = ", or ".join(dict.fromkeys(_expected(problem) for problem in problems))
    shown = repr(value) if len(repr(value)) <= MOST_SHOWN else f"{repr(value)[: MOST_SHOWN - 3]}..."
    return _with_key(first.key, f"must be {wanted} (got {shown}).{_hint(problems, value)}")


def _expected(problem: _Problem) -> str:
    if problem.kind in EXPECTED:
        return EXPECTED[problem.kind]
    if problem.kind in BOUNDS:
        name, words = BOUNDS[problem.kind]
        return f"{words} {problem.context[name]:g}"
    if problem.kind == "literal_error":
        *others, last = _names(problem)
        return f"{', '.join(others)} or {last}" if others else last
    if problem.kind == "too_short":
        return f"a list of at least {problem.context['min_length']}"
    return problem.message  # a complaint that no key of today's recipe can cause


def _hint(problems: Sequence[_Problem], value: object) -> str:
    """The nearest of the names that a value may be."""
    names = [name for problem in problems if problem.kind == "literal_error" for name in _names(problem)]
    hint = nearest(value, names) if isinstance(value, str) and names else ""
    return f" {hint.partition(' Known:')[0]}" if hint.startswith("Did") else ""


def _names(problem: _Problem) -> list[str]:
    return re.findall(r"'([^']*)'", str(problem.context["expected"]))


def _with_key(key: Key, message: str) -> str:
    name = ".".join(str(step) for step in key)
    return f"{name}: {message}" if name else message


def _keys_beside(key: Key) -> list[str]:
    """The keys that a part of the recipe may have."""
    part: Any = Recipe
    for name in key:
        annotation = part.model_fields[str(name)].annotation
        part = next((kind for kind in get_args(annotation) if isinstance(kind, type)), annotation)
    return [each.name for each in fields(part)] if is_dataclass(part) else list(part.model_fields)
