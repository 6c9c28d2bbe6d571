"""Which positions of a padded batch hold a word, and what is averaged over those alone."""

from __future__ import annotations

import torch
from torch import Tensor

from understudy.students.ragged import Ragged


def real(batch: Ragged) -> Tensor:
    """``(b, t)`` bool: whether a word stands there; false behind the text's end."""
    return torch.arange(int(batch.lengths.max())) < batch.lengths[:, None]


def mean(states: Tensor, batch: Ragged) -> Tensor:
    """``(b, d)``: the mean of ``states (b, t, d)`` over each text's real positions."""
    return (states * real(batch)[..., None]).sum(dim=1) / batch.lengths[:, None]
