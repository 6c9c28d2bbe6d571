"""Products of words' matrices straight from their table, where there is the C extension and no gradient.

Torch gathers the matrices of all words first, ``(b, t, d, d)``, and then multiplies batches of them. C reads
each word's row where it lies, and keeps a text's running product beside the processor
(`native/matrix_impl.h`). But for rounding it makes the features that `CMOW` makes in torch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from understudy.core.task import FloatArray, IntArray
from understudy.runtime.fast import extension
from understudy.runtime.fast_format import MOST_SIZE, MOST_WIDTH
from understudy.students.layers.native import LEVEL, find_module, in_parts
from understudy.students.layers.ragged import Ragged


def why_not(table: Tensor, size: int, vector: int) -> str:
    """Why C cannot multiply the matrices of this table; empty where it can."""
    if find_module("find_products") is None:
        return "the C extension was not built"
    if torch.is_grad_enabled() and table.requires_grad:
        return "a gradient is wanted"
    if table.device.type != "cpu" or table.dtype != torch.float32 or not table.is_contiguous():
        return "they are not float32 in one piece on a CPU"
    if size > MOST_SIZE or vector > MOST_WIDTH:
        return "matrices or vectors are too large"
    return ""


def features_of(table: Tensor, size: int, directions: int, batch: Ragged) -> Tensor:
    """Features ``(b, f)``: each direction's product, row by row, then the mean of the vectors.

    Args:
        table: M - I of each direction, then a vector ``(v, f)``; one for which `why_not` has no reason.
        size: D, rows and columns of a matrix.
        directions: Matrices of a word: 1, or 2, the second for reading backward.
        batch: Texts.
    """
    ids, ends = batch.ids.to(torch.int32).numpy(), torch.cumsum(batch.lengths, dim=0).numpy()
    rows = table.detach().numpy()
    found = np.empty((len(ends), rows.shape[1]), dtype=np.float32)

    def find(first: int, last: int) -> None:
        start = int(ends[first - 1]) if first else 0
        part = ids[start : ends[last - 1]]
        multiply(rows, part, ends[first:last] - start, found[first:last], size, directions)

    in_parts(find, len(ends))
    return torch.from_numpy(found)


def multiply(  # noqa: PLR0917 - arrays, then sizes
    table: FloatArray, ids: IntArray, ends: IntArray, features: FloatArray, size: int, directions: int
) -> None:
    """The same of numpy's arrays, by one thread.

    Args:
        table: ``(v, f)`` float32, M - I of each direction, then vectors.
        ids: ``(sum of lengths,)`` int32, the texts' ids end to end.
        ends: ``(b,)`` int64: where each text ends in ``ids``; none is empty.
        features: ``(b, f)`` float32, written.
        size: D.
        directions: Matrices of a word.

    Raises:
        ValueError: An id is not in the table, a text is empty, or sizes do not fit.
    """
    vector = table.shape[1] - directions * size**2
    if vector < 0:
        raise ValueError(
            f"Rows of {table.shape[1]} numbers do not hold {directions} matrices of {size} rows."
        )
    extension().find_products((table, ids, ends, features), size, directions, vector, LEVEL)
