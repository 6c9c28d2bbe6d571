"""Products of matrices: one function for the product of all, one for the products up to each place.

Multiplication is associative, so a product can be formed in several orders. All give the same but for rounding; which
is fastest depends on the batch and on whether gradients are wanted. `benchmarks/matrix.py` measures all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def product(matrices: Tensor, algorithm: str | None = None) -> Tensor:
    """``m[0] @ m[1] @ ...`` of every row: ``(b, t, d, d) -> (b, d, d)``."""
    return PRODUCTS[algorithm or "tree"](matrices)


def prefix_products(matrices: Tensor, algorithm: str | None = None) -> Tensor:
    return PREFIXES[algorithm or "loop"](matrices)


def _loop(matrices: Tensor) -> Tensor:
    first, *others = matrices.unbind(1)
    for other in others:
        first = first @ other
    return first


def _tree(matrices: Tensor) -> Tensor:
    rest = None
    while (count := matrices.shape[1]) > 1:
        if count % 2:
            last, matrices = matrices[:, -1], matrices[:, :-1]
            rest = last if rest is None else last @ rest
        left, right = matrices.unflatten(1, (-1, 2)).unbind(2)
        matrices = left @ right
    whole = matrices[:, 0]
    return whole if rest is None else whole @ rest


def _treecat(matrices: Tensor) -> Tensor:
    while (count := matrices.shape[1]) > 1:
        left, right = matrices[:, : count - count % 2].unflatten(1, (-1, 2)).unbind(2)
        pairs = left @ right
        matrices = torch.cat([pairs, matrices[:, -1:]], 1) if count % 2 else pairs
    return matrices[:, 0]


def _prefix_loop(matrices: Tensor) -> Tensor:
    found = list(matrices.unbind(1))
    for place in range(1, len(found)):
        found[place] = found[place - 1] @ found[place]
    return torch.stack(found, dim=1)


def _prefix_blocked(matrices: Tensor) -> Tensor:
    b, t, d, _ = matrices.shape
    size = math.isqrt(t - 1) + 1
    missing = -t % size
    if missing:
        eye = torch.eye(d).expand(b, missing, d, d)
        matrices = torch.cat([matrices, eye], 1)
    blocks = matrices.mT.unflatten(1, (-1, size))
    inner = list(blocks.unbind(2))
    for place in range(1, size):
        inner[place] = inner[place] @ inner[place - 1]
    within = torch.stack(inner, dim=2)
    before = list(inner[-1].unbind(1))[:-1]
    for place in range(1, len(before)):
        before[place] = before[place] @ before[place - 1]
    if before:
        rest = within[:, 1:].flatten(2, 3) @ torch.stack(before, 1)
        within = torch.cat([within[:, :1], rest.unflatten(2, (size, d))], 1)
    return within.flatten(1, 2)[:, :t].mT


def _split(matrices):
    rows = max(1, 2**19 // matrices[0].numel())
    return torch.cat([_tree(part) for part in matrices.split(rows)])

def _splitloop(matrices):
    rows = max(1, 2**19 // matrices[0].numel())
    return torch.cat([_loop(part) for part in matrices.split(rows)])


def _prefix_doubling(matrices: Tensor) -> Tensor:
    step = 1
    while step < matrices.shape[1]:
        joined = matrices[:, :-step] @ matrices[:, step:]
        matrices = torch.cat([matrices[:, :step], joined], 1)
        step *= 2
    return matrices


PRODUCTS: dict[str, Callable[[Tensor], Tensor]] = {"loop": _loop, "tree": _tree, "treecat": _treecat, "split": _split, "splitloop":_splitloop}
PREFIXES = {"loop": _prefix_loop, "blocked": _prefix_blocked, "doubling": _prefix_doubling}
