"""A convolutional student as a table of products: what `model.fast` of version 3 is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from understudy.core.task import FloatArray, Item
from understudy.runtime.cnn_format import Convolution, Folded, fold
from understudy.training.torch_student import TorchStudent


def folded(student: TorchStudent, table: str) -> Folded:
    """A convolution over words, its filters multiplied with every word.

    Args:
        student: One of `understudy.runtime.fast_format.CONVOLUTIONS`, for single texts.
        table: Precision of the products, one of `understudy.runtime.fast_format.TABLES`.
    """
    state = {name: tensor.numpy() for name, tensor in student.module.state_dict().items()}
    groups = range(student.module.config.widest - student.module.config.narrowest + 1)
    weights = Convolution(
        student.module.encoder.rows().detach().numpy(),
        [state[f"encoder.filters.{i}.weight"] for i in groups],
        [state[f"encoder.filters.{i}.bias"] for i in groups],
        state["head.output.weight"],
        state["head.output.bias"],
    )
    return fold(weights, table)


def folded_logits(student: TorchStudent, items: Sequence[Item], table: str) -> FloatArray:
    """Logits ``(n, c)`` as they will be with products in this precision."""
    side = student.encode(items).encoded.sides[0]
    texts = np.split(side.ids.astype(np.int64), np.cumsum(side.lengths)[:-1])
    return folded(student, table).logits(texts)
