"""`cbow.v1`: the mean of word embeddings, one hidden layer. Fast, small, and blind to word order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from understudy.students.layers.heads import HiddenHead
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged
from understudy.students.layers.word_table import WordTable
from understudy.students.registry import TrainingDefaults, register
from understudy.tokenization.words import PAD_ID


@dataclass(frozen=True)
class CBoWConfig:
    """Sizes of `cbow.v1`.

    Attributes:
        vocabulary_size: Rows of the embedding table, special words included.
        width: Width of an embedding.
        hidden: Width of the hidden layer.
        max_words: Words that are read of a text; ``None`` reads all.
    """

    vocabulary_size: int = 5000
    width: int = 16
    hidden: int = 32
    max_words: int | None = None


def parameters(config: CBoWConfig, labels: int, features: int) -> int:
    """``v·d + (k·d + 1)·h + (h + 1)·c``, with k = 3 for two texts encoded apart."""
    table = config.vocabulary_size * config.width
    return table + (features * config.width + 1) * config.hidden + (config.hidden + 1) * labels


@register(
    "cbow.v1",
    config=CBoWConfig,
    head=lambda config, width, labels: HiddenHead(width, config.hidden, labels),
    parameters=parameters,
    training=TrainingDefaults(epochs=40, batch_size=256, learning_rate=5e-3),
    source="Wasserblat et al. 2020, section 4.1 (CBoW-FFN)",
)
class CBoW(nn.Module):
    """Embed, and average over the text's real words; the head has one ReLU layer.

    Args:
        config: Sizes.
    """

    def __init__(self, config: CBoWConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.embedding = nn.EmbeddingBag(config.vocabulary_size, config.width, mode="mean")
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.embedding.weight.data[PAD_ID] = 0.0

    def word_table(self) -> WordTable:
        """Where the words' vectors are."""
        return WordTable(self.embedding.weight)

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, width)`` of ids ``(sum of lengths,)`` with lengths ``(b,)``."""
        mean: Tensor = self.embedding(batch.ids, batch.offsets)
        return mean

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """Gather, sum, divide by the length: padding adds nothing, since its row of the table is zero."""
        (rows,) = graph.add("Gather", [graph.weight("embedding", self.embedding.weight), ids])
        (total,) = graph.add("ReduceSum", [rows, graph.weight("one", np.array([1]))], keepdims=0)
        (length,) = graph.add("Cast", [lengths], to=1)
        (column,) = graph.add("Unsqueeze", [length, "one"])
        (mean,) = graph.add("Div", [total, column])
        return mean
