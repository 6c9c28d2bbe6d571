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


def check_shares(**values: float) -> None:
    """Refuse numbers that do not lie between 0 and 1."""
    for name, value in values.items():
        if not 0.0 <= value <= 1.0:
            raise RecipeError(f"{name} is {value}, but must lie between 0 and 1.")
