"""`cnn.v1`: residual depthwise-separable convolutions over words and their positions; deep, narrow, cheap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.core.task import FloatArray
from understudy.students.layers.heads import LinearHead
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged, mean, real
from understudy.students.layers.spelling import (
    SPELLING_SIZE,
    embed,
    embed_graph,
    spelling_count,
    spelling_of,
)
from understudy.students.layers.word_table import WordTable
from understudy.students.registry import TrainingDefaults, register
from understudy.tokenization.words import PAD_ID


@dataclass(frozen=True)
class CNNConfig:
    """Sizes of `cnn.v1`.

    Attributes:
        vocabulary_size: Rows of the embedding table, special words included.
        width: Width of an embedding and of every block.
        blocks: Convolutions one after the other.
        kernel: Words that a convolution sees.
        dropout: Share of embedding, block and feature entries dropped in training.
        max_words: Words that are read of a text.
        spelling: Whether each word's spelling is read beside its id (tagging).
        spelling_size: Rows of the table of spellings; of a trained student, as many as its words have traits.
    """

    vocabulary_size: int = 30_522
    width: int = 128
    blocks: int = 6
    kernel: int = 5
    dropout: float = 0.2
    max_words: int | None = 512
    spelling: bool = False
    spelling_size: int = SPELLING_SIZE


PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "small": {"width": 100}}
"""Sizes by name: those of the paper (4.01 M parameters), and 0.57 M with 5,000 words."""


def parameters(config: CNNConfig, labels: int, features: int) -> int:
    """``v·d``, per block ``d·(k + d + 4)``, ``2·d`` for the last norm, and ``(3 or 1)·d·c + c``.

    With spelling, that of `understudy.students.layers.spelling.count` beside it.
    """
    d = config.width
    blocks = config.blocks * d * (config.kernel + d + 4)
    table = config.vocabulary_size * d + spelling_count(config)
    return table + blocks + 2 * d + (features * d + 1) * labels


def frequencies(width: int) -> FloatArray:
    """``(width,)``: radians that each wave turns from word to word (Vaswani et al. 2017, section 3.5).

    Neighbouring entries share a frequency: one is the sine, the other, a quarter turn ahead, the cosine.
    """
    pairs = np.arange(width) // 2
    return (10_000.0 ** (-2 * pairs / width)).astype(np.float32)


def shifts(width: int) -> FloatArray:
    """``(width,)``: a quarter turn for every second entry."""
    return (np.arange(width) % 2 * np.pi / 2).astype(np.float32)


class Block(nn.Module):
    """``x + relu(pointwise(depthwise(norm(x))))``, on states ``(b, t, width)``.

    Args:
        width: Width of the states.
        kernel: Words that the depthwise convolution sees, half of them on each side.
        dropout: Share of entries of what is added, dropped in training.
    """

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.sides = ((kernel - 1) // 2, kernel // 2)
        self.norm = nn.LayerNorm(width)
        self.depthwise = nn.Conv1d(width, width, kernel, groups=width)
        self.pointwise = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """States ``(b, t, width)``, of which the convolution sees those where ``real (b, t, 1)`` holds."""
        columns = (self.norm(states) * real).transpose(1, 2)
        spread = self.depthwise(F.pad(columns, self.sides)).transpose(1, 2)
        added: Tensor = self.dropout(F.relu(self.pointwise(spread)))
        return states + added

    def graph(self, graph: Graph, states: str, real: str, name: str) -> str:
        """The same as nodes."""
        normal = graph.masked(graph.layer_norm(states, self.norm, f"{name}.norm"), real)
        (columns,) = graph.add("Transpose", [normal], perm=[0, 2, 1])
        weight = graph.weight(f"{name}.depthwise.w", self.depthwise.weight)
        bias = graph.weight(f"{name}.depthwise.b", cast("Tensor", self.depthwise.bias))
        groups = self.depthwise.groups
        (spread,) = graph.add("Conv", [columns, weight, bias], group=groups, pads=list(self.sides))
        (rows,) = graph.add("Transpose", [spread], perm=[0, 2, 1])
        (active,) = graph.add("Relu", [graph.linear(rows, self.pointwise, f"{name}.pointwise")])
        return graph.add("Add", [states, active])[0]


@register(
    "cnn.v1",
    config=CNNConfig,
    head=lambda config, width, labels: LinearHead(width, labels, config.dropout),
    parameters=parameters,
    training=TrainingDefaults(epochs=12, batch_size=64, learning_rate=1e-3, patience=5, is_bucketed=True),
    presets=PRESETS,
    source="Nityasya et al. 2022, Table 7 (CNN); blocks as in Yu et al. 2018, section 2.2",
)
class CNN(nn.Module):
    """Embed, add sinusoidal positions, convolve, and average over real positions; the head is linear.

    Args:
        config: Sizes.
    """

    def __init__(self, config: CNNConfig) -> None:
        super().__init__()
        self.config = config
        self.width = self.token_width = config.width
        self.embedding = nn.Embedding(config.vocabulary_size, config.width, padding_idx=PAD_ID)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.embedding.weight.data[PAD_ID] = 0.0
        self.blocks = nn.ModuleList(
            Block(config.width, config.kernel, config.dropout) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.spelling = spelling_of(config)

    def word_table(self) -> WordTable:
        """Where the words' vectors are."""
        return WordTable(self.embedding.weight)

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, width)``: the mean over the text's words."""
        return mean(self.states(batch), batch)

    def states(self, batch: Ragged) -> Tensor:
        """``(b, t, width)``: what the last block knows of every position."""
        there, width = real(batch), self.config.width
        embedded = embed(self.embedding, self.spelling, batch, width**0.5)
        phases = torch.arange(there.shape[1])[:, None] * torch.from_numpy(frequencies(width))
        states = self.dropout(embedded + torch.sin(phases + torch.from_numpy(shifts(width))))
        for block in self.blocks:
            states = block(states, there[..., None])
        normal: Tensor = self.norm(states)
        return normal

    def tokens(self, batch: Ragged) -> Tensor:
        """Features ``(sum of lengths, width)``."""
        return self.states(batch)[real(batch)]

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The mean of `token_graph` over real positions."""
        return graph.mean(self.token_graph(graph, ids, lengths), graph.real(ids, lengths))

    def token_graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """Nodes of `states`."""
        there, width = graph.real(ids, lengths), self.config.width
        table = graph.weight("embedding", self.embedding.weight * width**0.5)
        embedded = embed_graph(graph, table, self.spelling, ids)
        (numbers,) = graph.add("Cast", [graph.positions(ids)], to=1)
        (column,) = graph.add("Unsqueeze", [numbers, graph.weight("axis.last", np.array([-1]))])
        (phases,) = graph.add("Mul", [column, graph.weight("frequencies", frequencies(width))])
        (shifted,) = graph.add("Add", [phases, graph.weight("shifts", shifts(width))])
        (waves,) = graph.add("Sin", [shifted])
        (states,) = graph.add("Add", [embedded, waves])
        for number, block in enumerate(self.blocks):
            states = cast("Block", block).graph(graph, states, there, f"block.{number}")
        return graph.layer_norm(states, self.norm, "norm")
