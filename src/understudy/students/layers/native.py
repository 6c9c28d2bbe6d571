"""What layers ask of the C extension, in parts: C releases the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from types import ModuleType

import torch

from understudy.runtime.fast import extension

LEVEL = 2
"""Highest instruction set that C may use."""


@cache
def find_module(function: str) -> ModuleType | None:
    """The C extension, if it was built and has a function."""
    try:
        found = extension()
    except ImportError:
        return None
    return found if hasattr(found, function) else None


def in_parts(work: Callable[[int, int], None], count: int) -> None:
    """Do a number of things, in parts of about as many; a part is given its first one and where it ends."""
    threads = min(torch.get_num_threads(), count)
    bounds = [count * i // threads for i in range(threads + 1)]
    if threads == 1:
        work(0, count)
        return
    others = [_pool(os.getpid()).submit(work, *pair) for pair in pairwise(bounds[1:])]
    work(0, bounds[1])
    for other in others:
        other.result()


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of one process: those of its parent are not there after a fork."""
    return ThreadPoolExecutor(thread_name_prefix=f"layers-{process}")
