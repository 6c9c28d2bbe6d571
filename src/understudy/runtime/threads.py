"""How many threads one call may use."""

from __future__ import annotations

import os
import warnings

from understudy.errors import RecipeError


def most_threads() -> int:
    """The number of cores that this process may use; more threads than that only wait for each other."""
    if hasattr(os, "sched_getaffinity"):  # Linux: a process may be held to some of the cores
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_threads(threads: int) -> int:
    """The given number of threads, or that of the cores where it is more, with a warning.

    Raises:
        RecipeError: the number is not a whole number from 1 on.
    """
    if not isinstance(threads, int) or threads < 1:
        raise RecipeError(f"threads is {threads!r}, but must be a whole number from 1 on.")

    most = most_threads()
    if threads > most:
        cores = "1 core" if most == 1 else f"{most} cores"
        warnings.warn(
            f"threads is {threads:,}, but this process may use {cores}: {most} will be used.", stacklevel=3
        )
    return min(threads, most)
