"""Students as tables of products: what `model.fast` of versions 3 to 5 is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from understudy.core.task import FloatArray, Item
from understudy.errors import RecipeError
from understudy.runtime.cnn_format import Convolution, Folded, fold, pack_folded
from understudy.runtime.fast_format import CONVOLUTIONS, TAGGERS
from understudy.runtime.fast_rule import Rule
from understudy.runtime.lstm_format import Direction, Recurrent, Stack, pack_recurrent, recur
from understudy.runtime.window_format import (
    FoldedWindow,
    SpellingWeights,
    WindowWeights,
    fold_window,
    pack_window,
)
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent


def folded(student: TorchStudent, table: str) -> Folded | Recurrent:
    """A convolution over words or stacked LSTMs, whatever meets words multiplied with every word.

    Args:
        student: One of `understudy.runtime.fast_format.FOLDED`, for single texts.
        table: Precision of the products, one of `understudy.runtime.fast_format.TABLES`.
    """
    state = {name: tensor.numpy() for name, tensor in student.module.state_dict().items()}
    if student.name not in CONVOLUTIONS:
        return recur(_stack(state, student.module.config.layers), table)

    groups = range(student.module.config.widest - student.module.config.narrowest + 1)
    weights = Convolution(
        student.module.encoder.rows().detach().numpy(),
        [state[f"encoder.filters.{i}.weight"] for i in groups],
        [state[f"encoder.filters.{i}.bias"] for i in groups],
        state["head.output.weight"],
        state["head.output.bias"],
    )
    return fold(weights, table)


def folded_file(rule: Rule, student: TorchStudent, table: str) -> bytes:
    """`model.fast` of such a student."""
    if student.name in TAGGERS:
        return pack_window(rule, folded_window(student, table))
    made = folded(student, table)
    return pack_folded(rule, made) if isinstance(made, Folded) else pack_recurrent(rule, made)


def folded_window(student: TorchStudent, table: str) -> FoldedWindow:
    """A tagger, the columns of its convolution multiplied with every word and trait.

    Args:
        student: One of `understudy.runtime.fast_format.TAGGERS`, with a vocabulary of words.
        table: Precision of the products, one of `understudy.runtime.fast_format.TABLES`.

    Raises:
        RecipeError: Its vocabulary is one of pieces.
    """
    if not isinstance(student.vocabulary, WordVocabulary):
        raise RecipeError(f"{student.name} reads {student.vocabulary.kind}, whose products are not folded.")
    state = {name: tensor.numpy() for name, tensor in student.module.state_dict().items()}
    layers = ("table.weight", "map.weight", "map.bias")
    weights = WindowWeights(
        state["encoder.embedding.weight"],
        state["encoder.around.weight"],
        state["encoder.around.bias"],
        state["head.output.weight"],
        state["head.output.bias"],
        SpellingWeights(*(state[f"encoder.spelling.{name}"] for name in layers))
        if student.spelling is not None
        else None,
    )
    words, most = student.vocabulary.words, student.vocabulary.max_words
    return fold_window(weights, words, student.spelling, most, table)


def bound_of(student: TorchStudent, table: str) -> float | None:
    """By how much a logit of a student with products in this precision may differ from torch's.

    ``None`` for LSTMs, through which no useful bound follows.
    """
    made = (folded_window if student.name in TAGGERS else folded)(student, table)
    return None if isinstance(made, Recurrent) else made.bound


def folded_logits(student: TorchStudent, items: Sequence[Item], table: str) -> FloatArray:
    """Logits ``(rows, c)`` as they will be with products in this precision."""
    if student.name in TAGGERS:
        return folded_window(student, table).logits(cast("Sequence[tuple[str, ...]]", items), student.task)
    side = student.encode(items).encoded.sides[0]
    texts = np.split(side.ids.astype(np.int64), np.cumsum(side.lengths)[:-1])
    return folded(student, table).logits(texts)


def _stack(state: Mapping[str, FloatArray], layers: int) -> Stack:
    """The weights of `bilstm.v1`."""

    def direction(layer: int, way: str) -> Direction:
        names = [
            f"encoder.lstm.{kind}_l{layer}{way}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        entering, recurrent, *biases = (state[name] for name in names)
        return Direction(entering, recurrent, biases[0] + biases[1])

    return Stack(
        state["encoder.embedding.weight"],
        [(direction(layer, ""), direction(layer, "_reverse")) for layer in range(layers)],
        state["head.output.weight"],
        state["head.output.bias"],
    )
