"""A teacher in bfloat16: what is rounded, what is not, and which answers are looked at again.

The large products and attention are rounded; the stream between the layers, the layer norms and the layer
that gives the logits stay in float32. What is left moves a logit by about one per cent of the logits' size,
most of it from weights of eight significant bits. So only an answer between two labels that are nearly alike
can turn, and those few are answered again in float32. How near is near depends on the teacher alone: texts of
random pieces, answered both ways when it is first asked, say how far its logits move.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.core.task import FloatArray, IntArray, Item, Task
from understudy.teachers.modules import last_layer

SAFETY = 4.0
"""Labels are near each other where as many times the largest move of the probe lies between them.

On texts of SST-2, CoLA and Emotion, with three teachers, none moved by more than three times the probe's.
"""

PROBE = (32, 16)
"""Texts of the probe, and pieces in each."""


def probe(task: Task, tokenizer: Any) -> list[Item]:
    """Items of random pieces, always the same for one tokeniser and form of task."""
    drawn = np.random.default_rng(0).integers(0, len(tokenizer), PROBE)
    texts = [tokenizer.decode(pieces, skip_special_tokens=True) for pieces in drawn]
    if task.kind == "tagging":
        return [tuple(text.split() or ["a"]) for text in texts]
    return list(zip(texts, texts[::-1], strict=True)) if task.texts == 2 else texts


def largest_move(one: FloatArray, other: FloatArray) -> float:
    """By how much the difference of two logits of a row differs at most between two answers ``(rows, c)``."""
    return float(np.ptp(one - other, axis=1).max(initial=0.0))


@contextmanager
def rounded(module: nn.Module, labels: int) -> Iterator[None]:
    """Compute products of a teacher in bfloat16, inside of this block; its weights are left as they are.

    Args:
        module: of the teacher.
        labels: number of logits; the layer that gives them stays in float32.
    """
    layer = last_layer(module, labels)
    hook = layer.register_forward_hook(_exactly)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            yield
    finally:
        hook.remove()


def _exactly(layer: Any, inputs: tuple[Tensor, ...], _: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return F.linear(inputs[0].float(), layer.weight, layer.bias)


def near_ties(logits: FloatArray, counts: IntArray, near: float) -> IntArray:
    """The sequences with an answer that rounding may turn: ``(n,)`` their numbers, in order.

    Args:
        logits: ``(rows, c)`` of labels that exclude each other.
        counts: ``(s,)`` rows of each sequence, whose sum is the number of rows.
        near: logits between the two best labels of such an answer, at most.
    """
    best = np.partition(logits, -2, axis=1)[:, -2:]
    sequences = np.repeat(np.arange(len(counts)), counts)
    return np.unique(sequences[best[:, 1] - best[:, 0] < near])
