"""Checks that every config shares."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from understudy.errors import RecipeError, nearest

STRICT: dict[str, Any] = {"extra": "forbid"}
"""The pydantic setting of every config: an unknown key is an error."""


def check_choice(what: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value that is not one of ``known``, and suggest the nearest."""
    if value not in known:
        raise RecipeError(f"Unknown {what} {value!r}. {nearest(value, known)}")


def check_positive(**values: float | None) -> None:
    """Refuse numbers that are not greater than 0, or not finite; ``None`` passes."""
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            raise RecipeError(f"{name} is {value}, but must be greater than 0, and finite.")
