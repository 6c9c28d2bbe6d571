"""Texts of different lengths in one batch: ids end to end, and where each text ends."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from understudy.core.task import IntArray
from understudy.tokenization.words import PAD_ID


@dataclass(frozen=True)
class Ragged:
    """A batch of texts.

    Attributes:
        ids: ``(sum of lengths,)`` int64, the texts' ids end to end.
        lengths: ``(b,)`` int64, each at least 1.
        spelling: ``(sum of lengths, kinds)`` int64, how each id's word is spelled; ``None`` for students
            that do not read it.
    """

    ids: Tensor
    lengths: Tensor
    spelling: Tensor | None = None

    @property
    def offsets(self) -> Tensor:
        """``(b,)`` int64: where each text begins in ``ids``."""
        return torch.cumsum(self.lengths, dim=0) - self.lengths

    def padded(self) -> Tensor:
        """``(b, t)`` int64: one text a row, filled up with `PAD_ID`."""
        return self.filled(self.ids)

    def filled(self, values: Tensor) -> Tensor:
        """Of values ``(sum of lengths, …)`` one text a row, filled up with `PAD_ID`: ``(b, t, …)``."""
        longest = int(self.lengths.max())
        rows = values.new_full((len(self.lengths), longest, *values.shape[1:]), PAD_ID)
        rows[torch.arange(longest) < self.lengths[:, None]] = values
        return rows


def tensor_of(array: npt.NDArray[Any]) -> Tensor:
    """The same numbers as a tensor that is never written to: mapped files stay mapped."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable", category=UserWarning)
        return torch.from_numpy(array)


class RaggedTexts:
    """All texts of a set, tokenised once; any rows of it make a batch without a Python loop over them.

    The arrays may be mapped files: what a batch needs is read when it is made.

    Args:
        ids: ``(sum of lengths,)`` int64 or int32.
        lengths: ``(n,)`` int64 or int32.
        spelling: ``(sum of lengths, kinds)`` int64 or int32, or ``None``.
    """

    def __init__(self, ids: IntArray, lengths: IntArray, spelling: IntArray | None = None) -> None:
        self.ids = tensor_of(ids)
        self.spelling = None if spelling is None else tensor_of(spelling)
        self.lengths = tensor_of(lengths)
        self.starts = torch.cumsum(self.lengths, dim=0) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: IntArray) -> Ragged:
        """The texts with the given row numbers ``(b,)``, in that order."""
        picked = torch.from_numpy(np.ascontiguousarray(rows))
        lengths = self.lengths[picked].long()
        ends = torch.cumsum(lengths, dim=0)
        shift = torch.repeat_interleave(self.starts[picked] - (ends - lengths), lengths)
        places = shift + torch.arange(len(shift))
        spelling = None if self.spelling is None else self.spelling[places].long()
        return Ragged(self.ids[places].long(), lengths, spelling)


def real(batch: Ragged) -> Tensor:
    """``(b, t)`` bool: whether there is a word; false after the text's end."""
    return torch.arange(int(batch.lengths.max())) < batch.lengths[:, None]


def mean(states: Tensor, batch: Ragged) -> Tensor:
    """``(b, d)``: the mean of ``states (b, t, d)`` over each text's real positions."""
    return (states * real(batch)[..., None]).sum(dim=1) / batch.lengths[:, None]
