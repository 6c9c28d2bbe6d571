"""The greatest window of each filter over a text's words: sums of products, where there is the C extension.

A convolution over words multiplies every filter with every word at every place, forward and twice as often
backward. But a word has the same products wherever it stands, and only the greatest window of each filter has
a gradient. So products are made once for each different word of a batch, C adds them up and keeps where the
greatest windows end, and the way back meets only the words in these: a fifth of the work. Of windows that are
equally great the first one has the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from understudy.core.task import FloatArray
from understudy.runtime.cnn_format import columns_of, kernels_of
from understudy.runtime.fast_format import LANES, MOST_FILTERS, MOST_KERNEL
from understudy.students.layers.native import LEVEL, find_module, in_parts
from understudy.students.layers.ragged import Ragged
from understudy.tokenization.words import PAD_ID

FUNCTION = "find_windows"
"""What the C extension must have."""


def greatest(embedding: Tensor, weights: Sequence[Tensor], batch: Ragged) -> Tensor:
    """The greatest answer of each filter over all windows that hold a word, before any bias.

    Args:
        embedding: ``(v, d)``; the row of padding is zero, and has no gradient.
        weights: ``(F, d, k)`` for every width k, each a word wider than the last.
        batch: Texts.

    Returns:
        ``(b, n · F)``, the widths in that order.
    """
    if why_not(embedding, weights):
        return _by_convolution(embedding, weights, batch)
    count, widest = len(weights[0]), weights[-1].shape[2]
    columns = torch.cat([_columns(each, widest) for each in reversed(weights)])
    given = embedding, columns, batch.ids, batch.lengths, count, weights[0].shape[2]
    best: Tensor = _Windows.apply(*given)  # type: ignore[no-untyped-call]
    parts = [best[:, count * i : count * (i + 1)] for i in reversed(range(len(weights)))]
    return torch.cat(parts, dim=1)


def why_not(embedding: Tensor, weights: Sequence[Tensor]) -> str:
    """Why C cannot find these windows; empty where it can."""
    if find_module(FUNCTION) is None:
        return "the C extension was not built"
    if any(each.device.type != "cpu" or each.dtype != torch.float32 for each in (embedding, *weights)):
        return "they are not float32 on a CPU"
    if weights[-1].shape[2] > MOST_KERNEL or sum(map(len, weights)) > MOST_FILTERS:
        return "there are too many filters, or they see too many words"
    return ""


def _by_convolution(embedding: Tensor, weights: Sequence[Tensor], batch: Ragged) -> Tensor:
    """The same by torch's convolution."""
    columns = F.embedding(batch.padded(), embedding, padding_idx=PAD_ID).transpose(1, 2)
    found = []
    for weight in weights:
        kernel = weight.shape[2]
        answers = F.conv1d(columns, weight, padding=kernel - 1)  # (b, filters, t + kernel - 1)
        meets_a_word = torch.arange(answers.shape[2]) < (batch.lengths + kernel - 1)[:, None]
        found.append(answers.masked_fill(~meets_a_word[:, None], -torch.inf).amax(dim=2))
    return torch.cat(found, dim=1)


def _columns(weight: Tensor, widest: int) -> Tensor:
    """A group's weights ``(F, d, k)`` as ``(F, widest, d)``, what meets a window's last word first."""
    return F.pad(weight.flip(2).transpose(1, 2), (0, 0, 0, widest - weight.shape[2]))


@cache
def _layout(count: int, narrowest: int, widest: int) -> tuple[Tensor, Tensor, int]:
    """Filter and place of every number of a row of products, and what filters are padded to."""
    kernels = kernels_of(count, narrowest, widest)
    columns, back = columns_of(kernels)
    is_filter = columns < count * (widest - narrowest + 1)
    return torch.from_numpy(np.where(is_filter, columns, 0)), torch.from_numpy(back), len(kernels)


class _Windows(torch.autograd.Function):
    """Forward and backward in C: ``(v, d)``, ``(n · F, widest, d)`` by falling width → ``(b, n · F)``."""

    @staticmethod
    def forward(  # noqa: PLR0917 - torch hands them over by position
        ctx: Any, embedding: Tensor, columns: Tensor, ids: Tensor, lengths: Tensor, count: int, narrowest: int
    ) -> Tensor:
        module, (filters, widest, _) = find_module(FUNCTION), columns.shape
        assert module is not None
        rows, inverse = torch.unique(ids, return_inverse=True)
        of, back, padded = _layout(count, narrowest, widest)
        words = embedding[rows]
        products = (words @ columns[of, back].T).numpy()
        ends = torch.cumsum(lengths, dim=0).numpy()
        best = np.empty((len(ends), padded), dtype=np.float32)
        places = np.empty((len(ends), padded), dtype=np.int32)
        flat = inverse.numpy()

        def find(first: int, last: int) -> None:
            start = int(ends[first - 1]) if first else 0
            arrays = (
                flat[start : ends[last - 1]],
                ends[first:last] - start,
                best[first:last],
                places[first:last],
            )
            module.find_windows((*arrays, products), count, narrowest, widest, LEVEL)

        in_parts(find, len(ends))
        ctx.save_for_backward(embedding, columns, rows, words)
        ctx.found = flat, ends, places, count, narrowest
        return torch.from_numpy(best)[:, :filters]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        module, (embedding, columns, rows, words) = find_module(FUNCTION), ctx.saved_tensors
        assert module is not None
        flat, ends, places, count, narrowest = ctx.found
        filters, widest, width = columns.shape
        more = -width % LANES
        wide_words, wide_columns = (F.pad(each, (0, more)).numpy() for each in (words, columns))
        wide = np.zeros(places.shape, dtype=np.float32)
        wide[:, :filters] = gradients[0].numpy()
        of_columns = np.zeros_like(wide_columns)
        shares: list[FloatArray] = []

        def go_back(first: int, last: int) -> None:
            of_words = np.zeros_like(wide_words)
            shares.append(of_words)
            arrays = flat, ends, wide, places, wide, wide_words, wide_columns, of_words, of_columns
            module.return_windows(arrays, count, narrowest, widest, width + more, first, last, LEVEL)

        in_parts(go_back, filters)
        of_embedding = torch.zeros_like(embedding)
        of_embedding[rows] = torch.from_numpy(np.sum(shares, axis=0)[:, :width])
        of_embedding[PAD_ID] = 0.0
        return of_embedding, torch.from_numpy(of_columns[:, :, :width].copy()), None, None, None, None
