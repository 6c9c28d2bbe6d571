"""Products of matrices: one function for the product of all, one for the products up to each place.

Matrix multiplication is associative, so one product can be formed in several orders. They agree but for
rounding; which is fastest depends on the batch. `benchmarks/matrix.py` measures all of them, and the choices
here follow it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from understudy.core.checks import check_choice
from understudy.students.layers.onnx_graph import Graph

FEW = 4
"""Texts up to which steps cost more than arithmetic, so that fewer and larger steps win."""


def product(matrices: Tensor, *, rows: int | None = None, algorithm: str | None = None) -> Tensor:
    """The product of each text's matrices, first to last: ``(b, t, d, d) -> (b, d, d)``.

    Args:
        matrices: ``(b, t, d, d)``, t at least 1.
        rows: How many leading rows of the products are wanted, d by default. The result is
            ``(b, rows, d)``; few rows of a large batch are a chain of thin products.
        algorithm: One of `PRODUCTS`; by default the tree, which was at worst a fifth slower than the loop
            (many short texts, no gradients), and up to four times as fast (few texts); for few rows the loop.

    Raises:
        RecipeError: An unknown algorithm.
    """
    texts, _, width, _ = matrices.shape
    rows = width if rows is None else rows
    if algorithm is None:
        algorithm = "loop" if 2 * rows <= width and texts > FEW else "tree"
    check_choice("algorithm", algorithm, PRODUCTS)
    return PRODUCTS[algorithm](matrices, rows)


def prefix_products(matrices: Tensor, *, algorithm: str | None = None) -> Tensor:
    """The products of each text's matrices up to each place: ``(b, t, d, d) -> (b, t, d, d)``.

    Args:
        matrices: ``(b, t, d, d)``, t at least 1.
        algorithm: One of `PREFIXES`; by default the one that was fastest for such a batch.

    Raises:
        RecipeError: An unknown algorithm.
    """
    texts, places = matrices.shape[:2]
    if algorithm is None:
        algorithm = "blocks" if texts <= FEW and places > 16 else "loop"
    check_choice("algorithm", algorithm, PREFIXES)
    return PREFIXES[algorithm](matrices)


def product_graph(graph: Graph, matrices: str, size: int, *, is_reversed: bool = False) -> str:
    """`product` as nodes: the name of ``(b, t, d, d)`` in, the name of ``(b, d, d)`` out.

    Args:
        graph: Where to.
        matrices: Name of the matrices.
        size: D.
        is_reversed: Whether the last matrix is the first factor.
    """
    (last,) = _scan(graph, matrices, size, is_reversed=is_reversed, outputs=1)
    return last


def prefix_graph(graph: Graph, matrices: str, size: int, *, is_reversed: bool = False) -> str:
    """`prefix_products` as nodes, with the arguments of `product_graph`; ``(b, t, d, d)`` out.

    Reversed, the product at each place is that of the last matrix to the one at that place.
    """
    _, every = _scan(graph, matrices, size, is_reversed=is_reversed, outputs=2)
    return every


def _loop(matrices: Tensor, rows: int) -> Tensor:
    """One after the other. `unbind` goes backward in one step; indexing needs a full-size one a slice."""
    first, *others = matrices.unbind(1)
    running = first[:, :rows]
    for matrix in others:
        running = running @ matrix
    return running


def _tree(matrices: Tensor, rows: int) -> Tensor:
    """Neighbours in pairs, then the pairs in pairs: log2 t batched steps.

    An odd last factor is multiplied to those that were left before, as if identities filled up the text.
    """
    left_over = None
    while (count := matrices.shape[1]) > 1:
        if count % 2:
            last, matrices = matrices[:, -1], matrices[:, :-1]
            left_over = last if left_over is None else last @ left_over
        left, right = torch.unflatten(matrices, 1, (-1, 2)).unbind(2)
        matrices = left @ right
    whole = matrices[:, 0, :rows]
    return whole if left_over is None else whole @ left_over


def _prefix_loop(matrices: Tensor) -> Tensor:
    """One after the other: the fewest products, the most steps."""
    found = list(matrices.unbind(1))
    for place in range(1, len(found)):
        found[place] = found[place - 1] @ found[place]
    return torch.stack(found, dim=1)


def _prefix_blocks(matrices: Tensor) -> Tensor:
    """Blocks of √t side by side, then all before a block times what is within: twice the work, 2√t steps.

    Transposed, the products within a block lie as one tall matrix, so that the second half is a single step.
    """
    places, width = matrices.shape[1:3]
    size = math.isqrt(places - 1) + 1
    filled = torch.cat([matrices, _identities(matrices, -places % size)], dim=1)
    factors = list(torch.unflatten(filled.mT, 1, (-1, size)).unbind(2))
    for place in range(1, size):
        factors[place] = factors[place] @ factors[place - 1]
    within = torch.stack(factors, dim=2)
    before = [_identities(matrices, 1)[:, 0], *factors[-1].unbind(1)[:-1]]
    for block in range(2, len(before)):
        before[block] = before[block] @ before[block - 1]
    every = within.flatten(2, 3) @ torch.stack(before, dim=1)
    return torch.unflatten(every, 2, (size, width)).flatten(1, 2)[:, :places].mT


def _prefix_doubling(matrices: Tensor) -> Tensor:
    """Each place times that 1, 2, 4, ... before (Hillis and Steele 1986): log2 t steps, t·log2 t products."""
    reach = 1
    while reach < matrices.shape[1]:
        further = matrices[:, :-reach] @ matrices[:, reach:]
        matrices = torch.cat([matrices[:, :reach], further], dim=1)
        reach *= 2
    return matrices


def _identities(like: Tensor, count: int) -> Tensor:
    """``(b, count, d, d)`` identities."""
    texts, _, width, _ = like.shape
    return torch.eye(width, dtype=like.dtype, device=like.device).expand(texts, count, width, width)


class _Product(Protocol):
    def __call__(self, matrices: Tensor, rows: int) -> Tensor: ...


class _Prefix(Protocol):
    def __call__(self, matrices: Tensor) -> Tensor: ...


PRODUCTS: Mapping[str, _Product] = {"loop": _loop, "tree": _tree}
"""Algorithms of `product`."""

PREFIXES: Mapping[str, _Prefix] = {
    "loop": _prefix_loop,
    "blocks": _prefix_blocks,
    "doubling": _prefix_doubling,
}
"""Algorithms of `prefix_products`."""


def _scan(graph: Graph, matrices: str, size: int, *, is_reversed: bool, outputs: int) -> list[str]:
    """A Scan over the places that begins with identities; its outputs: the last product, and all of them.

    A tree in a Loop is slower but for single texts of more than a hundred places.
    """
    from onnx import TensorProto, helper

    (texts,) = graph.add("Shape", [matrices], start=0, end=1)
    shape = graph.weight(f"shape.{size}", np.array([size, size]))
    (whole,) = graph.add("Concat", [texts, shape], axis=0)
    identity = graph.weight(f"identity.{size}", np.eye(size, dtype=np.float32))
    (start,) = graph.add("Expand", [identity, whole])
    names = ["running", "matrix", "next", "copy"]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", size, size]) for n in names]
    nodes = [
        helper.make_node("MatMul", names[:2], ["next"]),
        helper.make_node("Identity", ["next"], ["copy"]),
    ]
    body = helper.make_graph(nodes[:outputs], "step", values[:2], values[2 : 2 + outputs])
    every = {"scan_output_axes": [1], "scan_output_directions": [int(is_reversed)]} if outputs == 2 else {}
    return graph.add(
        "Scan",
        [start, matrices],
        outputs,
        body=body,
        num_scan_inputs=1,
        scan_input_axes=[1],
        scan_input_directions=[int(is_reversed)],
        **every,
    )
