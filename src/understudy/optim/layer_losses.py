"""Losses on what goes on inside a teacher: layers, not answers (TinyBERT, Jiao et al. 2020).

Pure functions on tensors, one value per text, averaged over its real tokens. Student and teacher must read
the same tokens, so such a student has the vocabulary ``teacher``.

Notation: b batch, t tokens, h heads, d width of the teacher, s width of the student; ``real`` is the
attention mask ``(b, t)``, 1 at real tokens and 0 at padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from understudy.errors import RecipeError


class States(NamedTuple):
    """What a transformer computes on its way.

    Attributes:
        hidden: The embeddings' output, then that of each layer: ``(b, t, d)`` each, layers + 1 of them.
        attentions: Attention of each layer, after the softmax: ``(b, h, t, t)``, queries before keys.
    """

    hidden: tuple[Tensor, ...]
    attentions: tuple[Tensor, ...]


def layer_map(student: int, teacher: int) -> tuple[int, ...]:
    """From which layer of the teacher each layer of the student learns: ``g(0) = 0 … g(student) = teacher``.

    Jiao et al. 2020, section 3.1: layers are spread evenly, and layer 0 is the embeddings. Where the numbers
    do not divide, the layer of the teacher is rounded up.

    >>> layer_map(4, 12)
    (0, 3, 6, 9, 12)

    Raises:
        RecipeError: The student has more layers than the teacher.
    """
    if not 0 < student <= teacher:
        raise RecipeError(
            f"A student of {student} layers cannot learn layers from a teacher of {teacher}: it needs at "
            "least one layer, and no more than its teacher."
        )
    return tuple(-(-number * teacher // student) for number in range(student + 1))


def scores(attention: Tensor, real: Tensor) -> Tensor:
    """What stood before the softmax of an attention, but for its mean over keys; ``(b, h, t, t)`` as given.

    Softmax forgets a constant per query, so logarithms of its output, centred over the real keys, are all
    that can be known of them; and all that matters. Padded keys give 0.
    """
    keys = real[:, None, None, :].to(attention.dtype)
    logs = attention.clamp_min(torch.finfo(attention.dtype).tiny).log() * keys
    centre = logs.sum(dim=-1, keepdim=True) / keys.sum(dim=-1, keepdim=True)
    return (logs - centre) * keys


def attention_loss(student: Tensor, teacher: Tensor, real: Tensor) -> Tensor:
    """Squared error of attention, averaged over heads and pairs of real tokens: ``-> (b,)``.

    Jiao et al. 2020, eq. 7. The paper compares scores before the softmax (see `scores`); either can be given.
    It has as many heads on both sides; where the numbers differ, both are averaged over their heads first.

    Args:
        student: ``(b, h, t, t)``.
        teacher: ``(b, h, t, t)``, perhaps of another h.
        real: ``(b, t)``.
    """
    if student.shape[1] != teacher.shape[1]:
        student, teacher = student.mean(dim=1, keepdim=True), teacher.mean(dim=1, keepdim=True)
    pairs = (real[:, :, None] * real[:, None, :]).to(student.dtype)
    errors = (student - teacher).square().mean(dim=1) * pairs
    return errors.sum(dim=(1, 2)) / pairs.sum(dim=(1, 2))


def hidden_loss(student: Tensor, teacher: Tensor, real: Tensor, weight: Tensor | None = None) -> Tensor:
    """Squared error of states after a linear map, averaged over width and real tokens: ``-> (b,)``.

    Jiao et al. 2020, eq. 8, and eq. 9 for the embeddings' output.

    Args:
        student: ``(b, t, s)``.
        teacher: ``(b, t, d)``.
        real: ``(b, t)``.
        weight: ``(s, d)``, learnt with the student; ``None`` where both have one width.

    Raises:
        RecipeError: Widths that differ, and no map between them.
    """
    mapped = student if weight is None else student @ weight
    if mapped.shape != teacher.shape:
        raise RecipeError(
            f"Hidden states {tuple(mapped.shape)} of a student cannot be compared with those of its teacher, "
            f"{tuple(teacher.shape)}. They need the same tokens (vocabulary 'teacher'), and a map of widths."
        )
    mask = real.to(student.dtype)
    errors = (mapped - teacher).square().mean(dim=-1) * mask
    return errors.sum(dim=1) / mask.sum(dim=1)


def layer_loss(
    student: States, teacher: States, real: Tensor, weights: Sequence[Tensor | None] | None = None
) -> Tensor:
    """All layers of a student against those of its teacher that `layer_map` names: ``-> (b,)``.

    Jiao et al. 2020, eq. 11 without the prediction layer: `hidden_loss` of the embeddings and of every layer,
    and `attention_loss` of the `scores` of every layer, added up.

    Args:
        student: States of the student's M layers.
        teacher: States of at least M layers, for the same tokens; gradients do not reach it.
        real: ``(b, t)``.
        weights: M + 1 maps, as in `hidden_loss`; one tensor may stand for several. ``None`` maps nothing.
    """
    chosen = layer_map(len(student.attentions), len(teacher.attentions))
    maps = weights or [None] * len(chosen)
    total = torch.zeros(len(real), dtype=student.hidden[0].dtype, device=real.device)
    for own, other in enumerate(chosen):
        total = total + hidden_loss(student.hidden[own], teacher.hidden[other].detach(), real, maps[own])
        if own:
            seen, shown = student.attentions[own - 1], teacher.attentions[other - 1].detach()
            total = total + attention_loss(scores(seen, real), scores(shown, real), real)
    return total
