"""`kim-cnn.v1`: a detector for each of a few hundred short word sequences; the classic small convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.errors import RecipeError
from understudy.students.layers.heads import LinearHead
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged
from understudy.students.layers.windows import greatest
from understudy.students.layers.word_table import WordTable
from understudy.students.registry import TrainingDefaults, register
from understudy.tokenization.words import PAD_ID


@dataclass(frozen=True)
class KimCNNConfig:
    """Sizes of `kim-cnn.v1`.

    Attributes:
        vocabulary_size: Rows of the embedding table, special words included.
        width: Width of an embedding.
        filters: Number of filters of each width.
        narrowest, widest: Words that filters see: those of each number from the one to the other.
        dropout: Share of features dropped in training.
        max_words: Words that are read of a text.
        channels: 2 for a second embedding beside the one that is trained: it starts alike and stays as it is,
            and filters have weights of their own for it.
    """

    vocabulary_size: int = 5000
    width: int = 100
    filters: int = 100
    narrowest: int = 3
    widest: int = 5
    dropout: float = 0.5
    max_words: int | None = 512
    channels: int = 1

    @property
    def kernels(self) -> range:
        """Words that a filter sees, by group of filters."""
        return range(self.narrowest, self.widest + 1)


def parameters(config: KimCNNConfig, labels: int, features: int) -> int:
    """``v·d + f·(12·d + 3) + (3·k·f + 1)·c`` in its own widths, with k = 3 for two texts apart.

    Two channels have 2·d for d: the vectors that stay as they are count, too.
    """
    width = config.channels * config.width
    filters = config.filters * (sum(config.kernels) * width + len(config.kernels))
    pooled = len(config.kernels) * config.filters
    return config.vocabulary_size * width + filters + (features * pooled + 1) * labels


@register(
    "kim-cnn.v1",
    config=KimCNNConfig,
    head=lambda config, width, labels: LinearHead(width, labels, config.dropout),
    parameters=parameters,
    training=TrainingDefaults(epochs=20, batch_size=64, learning_rate=1e-3, patience=5, is_bucketed=True),
    presets={"wide": {"width": 300}, "multichannel": {"channels": 2}},
    source="Kim 2014, section 2 (CNN-rand, CNN-multichannel)",
)
class KimCNN(nn.Module):
    """Embed, filters of a few widths side by side, the greatest answer of each over the text; a linear head.

    A filter also reads the zeros on both sides of a text, in every window that holds a word. So texts shorter
    than a filter have answers too, and every word is seen at every place of every filter.

    Args:
        config: Sizes.
    """

    def __init__(self, config: KimCNNConfig) -> None:
        super().__init__()
        self.config = config
        if not 1 <= config.narrowest <= config.widest:
            raise RecipeError(
                f"kim-cnn.v1: filters see {config.narrowest} to {config.widest} words. Give narrowest and "
                "widest of 1 or more, the first not above the second."
            )
        if config.channels not in (1, 2):
            raise RecipeError(f"kim-cnn.v1: channels is {config.channels}, but must be 1 or 2.")
        self.width = len(config.kernels) * config.filters
        self.embedding = nn.Embedding(config.vocabulary_size, config.width, padding_idx=PAD_ID)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.embedding.weight.data[PAD_ID] = 0.0
        self.frozen = None
        if config.channels > 1:
            self.frozen = nn.Parameter(self.embedding.weight.detach().clone(), requires_grad=False)
        width = config.channels * config.width
        self.filters = nn.ModuleList(
            nn.Conv1d(width, config.filters, kernel, padding=kernel - 1) for kernel in config.kernels
        )

    def word_table(self) -> WordTable:
        """Where the words' vectors are."""
        return WordTable(self.embedding.weight, frozen=self.frozen)

    def rows(self) -> Tensor:
        """``(v, d)``, or ``(v, 2·d)`` with two channels: what the filters see of every word."""
        if self.frozen is None:
            return self.embedding.weight
        return torch.cat([self.embedding.weight, self.frozen], dim=1)

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, filters of all widths)``."""
        convolutions = [cast("nn.Conv1d", layer) for layer in self.filters]
        answers = greatest(self.rows(), [layer.weight for layer in convolutions], batch)
        return F.relu(answers + torch.cat([cast("Tensor", layer.bias) for layer in convolutions]))

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The same as nodes; padding is zero in the table, so a filter sees zeros after the end."""
        (rows,) = graph.add("Gather", [graph.weight("embedding", self.rows()), ids])
        (columns,) = graph.add("Transpose", [rows], perm=[0, 2, 1])
        pooled = []
        convolutions = [cast("nn.Conv1d", layer) for layer in self.filters]
        for kernel, convolve in zip(self.config.kernels, convolutions, strict=True):
            weight = graph.weight(f"filters.{kernel}.w", convolve.weight)
            bias = graph.weight(f"filters.{kernel}.b", cast("Tensor", convolve.bias))
            (answers,) = graph.add("Conv", [columns, weight, bias], pads=[kernel - 1, kernel - 1])
            (active,) = graph.add("Relu", [answers])
            pooled.append(self._greatest(graph, active, lengths, kernel))
        return graph.add("Concat", pooled, axis=1)[0]

    def _greatest(self, graph: Graph, active: str, lengths: str, kernel: int) -> str:
        """The maximum of answers ``(b, filters, s)`` of at least 0, over windows that meet a word."""
        further = graph.weight(f"further.{kernel}", np.array([kernel - 1]))
        (windows,) = graph.add("Add", [lengths, further])
        there = graph.real(active, windows, axis=2)
        (row,) = graph.add("Unsqueeze", [there, graph.weight("axis.filters", np.array([1]))])
        (masked,) = graph.add("Mul", [active, row])
        return graph.add("ReduceMax", [masked], axes=[2], keepdims=0)[0]
