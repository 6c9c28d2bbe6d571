"""Students as tables of products: what `model.fast` of versions 3 and 4 is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from understudy.core.task import FloatArray, Item
from understudy.errors import RecipeError
from understudy.runtime.cnn_format import Convolution, Folded, fold
from understudy.runtime.fast_format import TAGGERS
from understudy.runtime.window_format import FoldedWindow, SpellingWeights, WindowWeights, fold_window
from understudy.tokenization.words import WordVocabulary
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
        state["encoder.embedding.weight"],
        [state[f"encoder.filters.{i}.weight"] for i in groups],
        [state[f"encoder.filters.{i}.bias"] for i in groups],
        state["head.output.weight"],
        state["head.output.bias"],
    )
    return fold(weights, table)


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


def bound_of(student: TorchStudent, table: str) -> float:
    """By how much a logit of a student with products in this precision may differ from torch's."""
    return (folded_window if student.name in TAGGERS else folded)(student, table).bound


def folded_logits(student: TorchStudent, items: Sequence[Item], table: str) -> FloatArray:
    """Logits ``(rows, c)`` as they will be with products in this precision."""
    if student.name in TAGGERS:
        return folded_window(student, table).logits(cast("Sequence[tuple[str, ...]]", items), student.task)
    side = student.encode(items).encoded.sides[0]
    texts = np.split(side.ids.astype(np.int64), np.cumsum(side.lengths)[:-1])
    return folded(student, table).logits(texts)
