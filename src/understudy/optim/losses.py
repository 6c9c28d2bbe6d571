"""Distillation losses: pure functions on tensors, one value per row (of a text, or in tagging of a word).

Notation: b batch of rows, c labels; ``z`` a student's logits, ``t`` a teacher's, both ``(b, c)``; ``y`` gold
labels as `understudy.core.task.Task.targets` gives them. Losses on hidden states are in
`understudy.optim.layer_losses`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.core.configs import AUTO, LossConfig, check_loss
from understudy.core.task import THRESHOLD, Gold, Task
from understudy.errors import RecipeError

HEAVIEST = 20.0
"""Largest weight of a label's positives: a label that holds in 3 of 10,000 texts would weigh 3,332 otherwise,
and a single text of it would outweigh the rest of its batch."""


def mse(z: Tensor, t: Tensor) -> Tensor:
    """Mean squared error on logits, averaged over labels: ``(b, c), (b, c) -> (b,)``.

    Ba & Caruana 2014, eq. 1; Tang et al. 2019, eq. 4. For centred logits it is twice the limit of `kl` as the
    temperature goes to infinity (Hinton et al. 2015, section 2.1). In a regression with one column it is the
    squared error of the value, in units of the bounds.
    """
    return (z - t).square().mean(dim=-1)


def kl(z: Tensor, t: Tensor, temperature: float = 1.0) -> Tensor:
    """``T² · KL(softmax(t/T) ‖ softmax(z/T))``, summed over labels: ``(b, c), (b, c) -> (b,)``.

    Hinton et al. 2015, section 2. The factor T² keeps gradients of one size at every temperature.
    """
    student = F.log_softmax(z / temperature, dim=-1)
    teacher = F.log_softmax(t / temperature, dim=-1)
    return temperature**2 * F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)


def bce(z: Tensor, t: Tensor, temperature: float = 1.0) -> Tensor:
    """``T² · H(sigmoid(t/T), sigmoid(z/T))``, averaged over labels: ``(b, c), (b, c) -> (b,)``.

    `kl` for labels that do not exclude each other, each a choice between two. It is the cross-entropy, so a
    perfect copy costs the teacher's own entropy; less that, its limit at a high temperature is ``mse / 8``.
    """
    soft = torch.sigmoid(t / temperature)
    each = F.binary_cross_entropy_with_logits(z / temperature, soft, reduction="none")
    return temperature**2 * each.mean(dim=-1)


def hard(z: Tensor, t: Tensor, least: Tensor | None = None) -> Tensor:
    """Cross-entropy with the teacher's decisions: ``(b, c), (b, c) -> (b,)``.

    Args:
        z: The student's logits.
        t: The teacher's; they decide for ``argmax t``.
        least: Multilabel alone: probability, ``()`` or ``(c,)``, from which the teacher says a label holds.
    """
    return gold(z, t.argmax(dim=-1) if least is None else (torch.sigmoid(t) >= least).to(z.dtype))


def gold(z: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
    """The loss against gold labels, whose form says which it is; rows without gold give 0, and no gradient.

    ==================== =================================== ==============================================
    ``y``                loss ``(b,)``                       ``weights``
    ==================== =================================== ==============================================
    ``(b,)`` int64       cross-entropy; -1 is no gold        ``(c,)`` factor per label
    ``(b, c)`` float     binary cross-entropy, averaged over ``(c,)`` factor of a label where it holds
                         labels; a row with NaN is no gold
    ``(b,)`` float       squared error of the only column;   none
                         NaN is no gold
    ==================== =================================== ==============================================
    """
    if not y.is_floating_point():
        return F.cross_entropy(z, y, weight=weights, reduction="none", ignore_index=-1)
    known = labelled(y)
    aim = torch.nan_to_num(y).to(z.dtype)
    if y.ndim == 1:
        each = (z.squeeze(-1) - aim).square()
    else:
        each = F.binary_cross_entropy_with_logits(z, aim, pos_weight=weights, reduction="none").mean(dim=-1)
    return torch.where(known, each, torch.zeros_like(each))


def labelled(y: Tensor) -> Tensor:
    """Which rows have gold labels: ``(b,)`` or ``(b, c)`` as in `gold` ``-> (b,)`` bool."""
    if not y.is_floating_point():
        return y >= 0
    return ~torch.isnan(y) if y.ndim == 1 else ~torch.isnan(y).any(dim=-1)


def base_logits(task: Task, labels: Gold) -> Tensor | None:
    """What a network answers best while it knows no text: ``(c,)``, or ``None`` where that is nothing.

    The log-odds of each label (multilabel; Lin et al. 2017, section 4.1), or the mean value (regression on
    values). A head that starts there spends no step on learning that rare labels are rare.
    """
    if task.is_exclusive or task.is_binned:
        return None
    known = labels[~np.isnan(labels.reshape(len(labels), -1)).any(axis=1)]
    if len(known) == 0:
        return None
    if task.kind == "multilabel":
        share = np.clip(known.mean(axis=0), 1e-4, 1 - 1e-4)
        return torch.from_numpy(np.log(share / (1 - share)).astype(np.float32))
    return torch.tensor([float(task.targets(known).mean())])


def start_at(layer: nn.Linear, logits: Tensor | None) -> None:
    """Set a head's last layer so that it answers ``logits (c,)`` where its features are zero."""
    if logits is not None:
        with torch.no_grad():
            layer.bias.copy_(logits)


def balanced_weights(task: Task, labels: Gold) -> Tensor:
    """A weight per label ``(c,)``, for `gold`; rows without gold do not count.

    Where labels exclude each other it is ``n / (c · n_label)``, and 0 for a label without rows. In multilabel
    it is the weight of the label's positives, ``n_without / n_with``, between 1 / `HEAVIEST` and `HEAVIEST`.

    Args:
        task: Whose labels.
        labels: `understudy.core.task.Gold` of the task.

    Raises:
        RecipeError: A regression on values, which has no labels to weigh.
    """
    if task.kind == "regression" and not task.is_binned:
        raise RecipeError("Class weights weigh labels, but a regression on values has none. Drop them.")
    if task.kind == "multilabel":
        known = labels[~np.isnan(labels).any(axis=1)]
        held = (known > 0).sum(axis=0)
        weights = np.clip((len(known) - held) / np.maximum(held, 1), 1 / HEAVIEST, HEAVIEST)
    else:
        columns, count = task.targets(labels), len(task.labels)
        tally = np.bincount(columns[columns >= 0], minlength=count)
        weights = np.where(tally > 0, tally.sum() / (count * np.maximum(tally, 1)), 0.0)
    return torch.from_numpy(weights.astype(np.float32))


def _hard(z: Tensor, t: Tensor, config: LossConfig, task: Task) -> Tensor:  # noqa: ARG001
    if task.kind != "multilabel":
        return hard(z, t)
    return hard(z, t, torch.tensor(task.thresholds or THRESHOLD, dtype=t.dtype))


SOFT: dict[str, Callable[[Tensor, Tensor, LossConfig, Task], Tensor]] = {
    "mse": lambda z, t, *_: mse(z, t),
    "kl": lambda z, t, config, _: kl(z, t, config.temperature),
    "bce": lambda z, t, config, _: bce(z, t, config.temperature),
    "hard": _hard,
}
"""Losses that compare a student with a teacher, by name."""


def combined(
    z: Tensor, t: Tensor | None, y: Tensor, config: LossConfig, task: Task, *, weights: Tensor | None = None
) -> Tensor:
    """The configured loss, averaged over the batch: ``(b, c), (b, c), (b,) or (b, c) -> ()``.

    Relations: ``alpha = 0`` is the soft loss, ``alpha = 1`` the gold loss on labelled rows.

    Args:
        z: The student's logits.
        t: The teacher's, where the loss needs them.
        y: Gold labels, as in `gold`.
        config: Which loss.
        task: Its kind, and in multilabel the thresholds of the **teacher's** decisions (for ``hard``).
        weights: Weights from `balanced_weights`; they apply to the gold part alone.

    Raises:
        RecipeError: The loss does not fit the task, or there are no soft targets for it.
    """
    check_loss(task, config)
    if config.name == AUTO:
        raise RecipeError("The loss 'auto' is a run's to choose. Name one.")
    if config.name == "gold":
        return gold(z, y, weights).mean()
    if t is None:
        raise RecipeError(f"The loss {config.name!r} needs soft targets, but there are none.")
    soft = SOFT[config.name](z, t, config, task)
    if config.alpha == 0.0:
        return soft.mean()
    share = torch.where(labelled(y), config.alpha, 0.0)
    return (share * gold(z, y, weights) + (1.0 - share) * soft).mean()
