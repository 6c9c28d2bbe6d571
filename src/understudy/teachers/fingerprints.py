"""Fingerprints of Python functions and of what they hold, so that no answers of another function are used."""

from __future__ import annotations

import functools
import hashlib
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from understudy.core.manifest import digest
from understudy.errors import TeacherError

PLAIN = (str, int, float, tuple, types.NoneType)
"""Types of values in a function's closure that count; others do not, as what it calls does not."""

DEEPEST = 50
"""Levels of nested values that are looked at."""


def reference_of(function: object) -> str:
    """The name of a function: ``module:function``, which need not be importable."""
    if isinstance(function, functools.partial):
        return reference_of(function.func)
    kind = type(function)
    name = getattr(function, "__qualname__", kind.__qualname__)
    return f"{getattr(function, '__module__', None) or kind.__module__}:{name}"


def fingerprint_of(function: Callable[..., object]) -> str:
    """A digest that changes when the function's answers may change, as far as that can be seen.

    A string attribute ``fingerprint``, of the function or of the object whose method it is, decides alone.
    Without one, these count: the function's name, its source, plain values that it closes over, the arguments
    of a `functools.partial`, and the state of the object of a method or of a callable object. What the
    function itself calls is not seen.

    Raises:
        TeacherError: The source or the state cannot be read reliably; the message says what to do.
    """
    return _State().function(function)


@dataclass
class _State:
    """Digests of values; ``within`` holds the ids of the values that are being looked at."""

    within: list[int] = field(default_factory=list)

    def function(self, function: Callable[..., object]) -> str:
        if isinstance(function, functools.partial):
            arguments = [[self.value(each, function) for each in function.args]]
            keywords = {name: self.value(each, function) for name, each in function.keywords.items()}
            return digest(["partial", self.function(function.func), arguments, keywords])

        owner = getattr(function, "__self__", None) if inspect.isroutine(function) else None
        for carrier in (owner, function):
            stated = getattr(carrier, "fingerprint", None)
            if isinstance(stated, str):
                return digest(["callable", reference_of(function), stated])

        cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
        held: list[object] = [repr(value) for value in cells if isinstance(value, PLAIN)]
        source = hashlib.sha256(_source(function).encode()).hexdigest()
        parts: list[object] = ["callable", reference_of(function), held, source]

        holder = owner if inspect.isroutine(function) else function
        if holder is None or isinstance(holder, type | types.ModuleType):
            return digest(parts)
        # An object without any state has the fingerprint that it had before states counted.
        state = self._attributes(holder, function)
        return digest([*parts, state] if state else parts)

    def value(self, value: object, teacher: object) -> list[object]:
        """A JSON-ready form of a value that two values share only if they are alike.

        Args:
            value: What to describe.
            teacher: The function that holds it, for the message.

        Raises:
            TeacherError: The value's state cannot be read reliably.
        """
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | PurePath):
            return [type(value).__name__, repr(value)]
        if isinstance(value, Enum):
            return ["enum", reference_of(type(value)), value.name]
        if isinstance(value, np.ndarray | np.generic) and not np.asarray(value).dtype.hasobject:
            return _array(np.asarray(value))
        if id(value) in self.within or len(self.within) >= DEEPEST:
            raise _unreadable(value, teacher)

        self.within.append(id(value))
        try:
            return self._nested(value, teacher)
        finally:
            self.within.pop()

    def _nested(self, value: object, teacher: object) -> list[object]:
        kind = type(value)
        if isinstance(value, Mapping) and kind.__module__ in ("builtins", "collections"):
            pairs = [[self.value(name, teacher), self.value(each, teacher)] for name, each in value.items()]
            return [kind.__name__, pairs]
        if isinstance(value, list | tuple) and kind in (list, tuple):
            return [kind.__name__, [self.value(each, teacher) for each in value]]
        if isinstance(value, set | frozenset) and kind in (set, frozenset):
            return [kind.__name__, sorted(digest(self.value(each, teacher)) for each in value)]
        if isinstance(value, functools.partial) or inspect.isroutine(value):
            return ["function", self.function(value)]
        return self._object(value, teacher)

    def _object(self, value: Any, teacher: object) -> list[object]:
        stated = getattr(value, "fingerprint", None)
        if isinstance(stated, str):
            return ["stated", reference_of(type(value)), stated]
        if isinstance(value, type | types.ModuleType):
            return ["named", getattr(value, "__module__", ""), value.__name__]
        if hasattr(value, "detach") and hasattr(value, "numpy"):  # a tensor, without an import of torch
            return _tensor(value, teacher)
        sources = _class_sources(value, teacher)
        return ["object", reference_of(type(value)), sources, self._attributes(value, teacher)]

    def _attributes(self, holder: object, teacher: object) -> list[object]:
        """The state of an object of a class that is written in Python: all its attributes, by name."""
        _class_sources(holder, teacher)
        names = set(getattr(holder, "__dict__", ()))
        for kind in type(holder).__mro__:
            slots = vars(kind).get("__slots__", ())
            names |= {slots} if isinstance(slots, str) else set(slots)
        kept = sorted(name for name in names - {"__dict__", "__weakref__"} if hasattr(holder, name))
        attributes = [(name, getattr(holder, name)) for name in kept]

        self.within.append(id(holder))
        try:
            return [[name, self.value(each, teacher)] for name, each in attributes]
        finally:
            self.within.pop()


def _source(function: Callable[..., object]) -> str:
    try:
        return inspect.getsource(function if inspect.isroutine(function) else type(function))
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
    if code is None:
        raise TeacherError(
            f"The source of the teacher {reference_of(function)} cannot be read, so its answers cannot be "
            "told from another's. Give it an attribute 'fingerprint': a string that changes when they do."
        )
    return repr((code.co_code, code.co_names, [str(each) for each in code.co_consts]))


def _class_sources(value: object, teacher: object) -> list[str]:
    """Digests of the source of a class and of its bases: a class that is written in C hides its state."""
    try:
        sources = [inspect.getsource(kind) for kind in type(value).__mro__ if kind is not object]
    except (OSError, TypeError) as error:
        raise _unreadable(value, teacher) from error
    return [hashlib.sha256(source.encode()).hexdigest() for source in sources]


def _array(values: npt.NDArray[np.generic]) -> list[object]:
    data = np.ascontiguousarray(values).tobytes()
    return ["array", str(values.dtype), list(values.shape), hashlib.sha256(data).hexdigest()]


def _tensor(value: Any, teacher: object) -> list[object]:
    try:
        return ["tensor", *_array(value.detach().cpu().numpy())]
    except (TypeError, RuntimeError, AttributeError) as error:
        raise _unreadable(value, teacher) from error


def _unreadable(value: object, teacher: object) -> TeacherError:
    return TeacherError(
        f"The teacher {reference_of(teacher)} holds an object of type {type(value).__qualname__!r}, whose "
        "changes cannot be seen reliably. Give the function, or the object whose method it is, an attribute "
        "'fingerprint': a string that changes when the answers do, such as a digest of the weights."
    )
