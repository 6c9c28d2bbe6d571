"""Distillation losses: pure functions on tensors, one value per text.

Notation: b batch, c labels; ``z`` a student's logits, ``t`` a teacher's, both ``(b, c)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from understudy.configs import LossConfig
from understudy.errors import RecipeError
from understudy.task import IntArray


def mse(z: Tensor, t: Tensor) -> Tensor:
    """Mean squared error on logits, averaged over labels: ``(b, c), (b, c) -> (b,)``.

    Ba & Caruana 2014, eq. 1; Tang et al. 2019, eq. 4. For centred logits it is twice the limit of `kl` as the
    temperature goes to infinity (Hinton et al. 2015, section 2.1).
    """
    return (z - t).square().mean(dim=-1)


def kl(z: Tensor, t: Tensor, temperature: float = 1.0) -> Tensor:
    """``T² · KL(softmax(t/T) ‖ softmax(z/T))``, summed over labels: ``(b, c), (b, c) -> (b,)``.

    Hinton et al. 2015, section 2. The factor T² keeps gradients of one size at every temperature.
    """
    student = F.log_softmax(z / temperature, dim=-1)
    teacher = F.log_softmax(t / temperature, dim=-1)
    return temperature**2 * F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)


def hard(z: Tensor, t: Tensor) -> Tensor:
    """Cross-entropy with the teacher's answer, ``argmax t``: ``(b, c), (b, c) -> (b,)``."""
    return F.cross_entropy(z, t.argmax(dim=-1), reduction="none")


def gold(z: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy with gold labels: ``(b, c), (b,) int64 -> (b,)``; rows with ``y = -1`` give 0.

    Args:
        z: the student's logits.
        y: columns of the gold labels, or -1 where a text has none.
        weights: ``(c,)``, a factor per label.
    """
    return F.cross_entropy(z, y, weight=weights, reduction="none", ignore_index=-1)


def balanced_weights(labels: IntArray, count: int) -> Tensor:
    """A weight per label, ``n / (c · n_label)``: ``(n,) -> (c,)``; rows of -1 do not count.

    A label without texts weighs 0.
    """
    tally = np.bincount(labels[labels >= 0], minlength=count)
    weights = np.where(tally > 0, tally.sum() / (count * np.maximum(tally, 1)), 0.0)
    return torch.from_numpy(weights.astype(np.float32))


SOFT: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "mse": lambda z, t, _: mse(z, t),
    "kl": kl,
    "hard": lambda z, t, _: hard(z, t),
}
"""Losses that compare a student with a teacher, by name."""


def combined(
    z: Tensor, t: Tensor | None, y: Tensor, config: LossConfig, weights: Tensor | None = None
) -> Tensor:
    """The configured loss, averaged over the batch: ``(b, c), (b, c), (b,) -> ()``.

    Relations: ``alpha = 0`` is the soft loss, ``alpha = 1`` the gold loss on labelled texts.
    """
    if config.name == "gold":
        return gold(z, y, weights).mean()
    if t is None:
        raise RecipeError(f"The loss {config.name!r} needs soft targets, but there are none.")
    soft = SOFT[config.name](z, t, config.temperature)
    if config.alpha == 0.0:
        return soft.mean()
    share = torch.where(y >= 0, config.alpha, 0.0)
    return (share * gold(z, y, weights) + (1.0 - share) * soft).mean()
