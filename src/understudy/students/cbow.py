"""`cbow.v1`: the mean of word embeddings, one hidden layer. Fast, small, and blind to word order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.students.graph import Graph
from understudy.students.ragged import Ragged
from understudy.students.registry import TrainingDefaults, register
from understudy.words import PAD_ID

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class CBoWConfig:
    """Sizes of `cbow.v1`.

    Attributes:
        vocabulary_size: rows of the embedding table, special words included.
        width: of an embedding.
        hidden: width of the hidden layer.
        max_words: words that are read of a text; ``None`` reads all.
    """

    vocabulary_size: int = 5000
    width: int = 16
    hidden: int = 32
    max_words: int | None = None


def parameters(config: CBoWConfig, labels: int) -> int:
    """``v·d + (d + 1)·h + (h + 1)·c``."""
    table = config.vocabulary_size * config.width
    return table + (config.width + 1) * config.hidden + (config.hidden + 1) * labels


@register(
    "cbow.v1",
    config=CBoWConfig,
    parameters=parameters,
    training=TrainingDefaults(epochs=40, batch_size=256, learning_rate=5e-3),
    source="Wasserblat et al. 2020, section 4.1 (CBoW-FFN)",
)
class CBoW(nn.Module):
    """Embed, average over the text's real words, one ReLU layer, linear to the labels.

    Args:
        config: sizes.
        labels: number of logits, c.
    """

    def __init__(self, config: CBoWConfig, labels: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.EmbeddingBag(config.vocabulary_size, config.width, mode="mean")
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.embedding.weight.data[PAD_ID] = 0.0
        self.hidden = nn.Linear(config.width, config.hidden)
        self.output = nn.Linear(config.hidden, labels)

    def forward(self, batch: Ragged) -> Tensor:
        """Logits ``(b, c)`` of ids ``(sum of lengths,)`` with lengths ``(b,)``."""
        mean = self.embedding(batch.ids, batch.offsets)
        logits: Tensor = self.output(F.relu(self.hidden(mean)))
        return logits

    def to_onnx(self) -> onnx.ModelProto:
        """Gather, sum, divide by the length: padding adds nothing, since its row of the table is zero."""
        graph = Graph()
        table = graph.weight("embedding", self.embedding.weight)
        (rows,) = graph.add("Gather", [table, "ids"])
        (total,) = graph.add("ReduceSum", [rows, graph.weight("one", np.array([1]))], keepdims=0)
        (length,) = graph.add("Cast", ["lengths"], to=1)
        (column,) = graph.add("Unsqueeze", [length, "one"])
        (mean,) = graph.add("Div", [total, column])
        wide = [graph.weight("hidden.w", self.hidden.weight), graph.weight("hidden.b", self.hidden.bias)]
        (inner,) = graph.add("Gemm", [mean, *wide], transB=1)
        (active,) = graph.add("Relu", [inner])
        last = [graph.weight("output.w", self.output.weight), graph.weight("output.b", self.output.bias)]
        (logits,) = graph.add("Gemm", [active, *last], transB=1)
        return graph.finish(logits, self.output.out_features)
