"""Texts of different lengths in one batch: ids end to end, and where each text ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from understudy.task import IntArray
from understudy.words import PAD_ID


@dataclass(frozen=True)
class Ragged:
    """A batch of texts.

    Attributes:
        ids: ``(sum of lengths,)`` int64, the texts' ids end to end.
        lengths: ``(b,)`` int64, each at least 1.
    """

    ids: Tensor
    lengths: Tensor

    @property
    def offsets(self) -> Tensor:
        """``(b,)`` int64: where each text begins in ``ids``."""
        return torch.cumsum(self.lengths, dim=0) - self.lengths

    def padded(self) -> Tensor:
        """``(b, t)`` int64: one text a row, filled up with `PAD_ID`."""
        longest = int(self.lengths.max())
        rows = self.ids.new_full((len(self.lengths), longest), PAD_ID)
        rows[torch.arange(longest) < self.lengths[:, None]] = self.ids
        return rows


class RaggedTexts:
    """All texts of a set, tokenised once; any rows of it make a batch without a Python loop over them.

    Args:
        ids: ``(sum of lengths,)`` int64.
        lengths: ``(n,)`` int64.
    """

    def __init__(self, ids: IntArray, lengths: IntArray) -> None:
        self.ids = torch.from_numpy(ids)
        self.lengths = torch.from_numpy(lengths)
        self.starts = torch.cumsum(self.lengths, dim=0) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: IntArray) -> Ragged:
        """The texts with the given row numbers ``(b,)``, in that order."""
        picked = torch.from_numpy(np.ascontiguousarray(rows))
        lengths = self.lengths[picked]
        ends = torch.cumsum(lengths, dim=0)
        shift = torch.repeat_interleave(self.starts[picked] - (ends - lengths), lengths)
        return Ragged(self.ids[shift + torch.arange(len(shift))], lengths)
