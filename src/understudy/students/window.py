"""`window.v1`: one hidden layer over each word and its neighbours; a tagger that reads no further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.core.checks import check_positive
from understudy.errors import RecipeError
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
class WindowConfig:
    """Sizes of `window.v1`.

    Attributes:
        vocabulary_size: Rows of the embedding table, special words included.
        width: Width of an embedding.
        hidden: Width of the hidden layer.
        reach: Words that are seen on each side of a word.
        dropout: Share of embedding and hidden entries dropped in training.
        max_words: Words that are read of a text.
        spelling: Whether each word's spelling is read beside its id (tagging).
        spelling_size: Rows of the table of spellings; of a trained student, as many as its words have traits.
    """

    vocabulary_size: int = 5000
    width: int = 100
    hidden: int = 256
    reach: int = 2
    dropout: float = 0.3
    max_words: int | None = 512
    spelling: bool = False
    spelling_size: int = SPELLING_SIZE

    def __post_init__(self) -> None:
        check_positive(width=self.width, hidden=self.hidden)
        if self.reach < 0:
            raise RecipeError(f"window.v1: reach is {self.reach}, but must be 0 or more words on each side.")


PRESETS: dict[str, dict[str, Any]] = {"tagger": {"spelling": True}}
"""Sizes by name: for tagging, with spelling."""


def parameters(config: WindowConfig, labels: int, features: int) -> int:
    """``v·d``, ``((2·r + 1)·d + 1)·h``, and ``(h·k + 1)·c``, with k = 3 for two texts apart.

    With spelling, that of `understudy.students.layers.spelling.count` beside it.
    """
    table = config.vocabulary_size * config.width + spelling_count(config)
    window = ((2 * config.reach + 1) * config.width + 1) * config.hidden
    return table + window + (config.hidden * features + 1) * labels


@register(
    "window.v1",
    config=WindowConfig,
    head=lambda config, width, labels: LinearHead(width, labels, config.dropout),
    parameters=parameters,
    training=TrainingDefaults(
        epochs=15,
        batch_size=32,
        learning_rate=2e-3,
        patience=5,
        is_bucketed=True,
        vocabulary_size=20_000,
    ),
    source="Collobert et al. 2011, section 3.3.1 (window approach)",
    presets=PRESETS,
)
class Window(nn.Module):
    """Embed, and one ReLU layer over the embeddings around each word; of a text, the mean over its words.

    Args:
        config: Sizes.
    """

    def __init__(self, config: WindowConfig) -> None:
        super().__init__()
        self.config = config
        self.width = self.token_width = config.hidden
        self.embedding = nn.Embedding(config.vocabulary_size, config.width, padding_idx=PAD_ID)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.embedding.weight.data[PAD_ID] = 0.0
        self.around = nn.Conv1d(config.width, config.hidden, 2 * config.reach + 1, padding=config.reach)
        self.dropout = nn.Dropout(config.dropout)
        self.spelling = spelling_of(config)

    def word_table(self) -> WordTable:
        """Where the words' vectors are."""
        return WordTable(self.embedding.weight)

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, hidden)``: the mean over the text's words."""
        return mean(self.states(batch), batch)

    def states(self, batch: Ragged) -> Tensor:
        """``(b, t, hidden)``: what is seen around every position; outside a text there are zeros."""
        there = real(batch)[..., None]
        embedded = self.dropout(embed(self.embedding, self.spelling, batch)) * there
        return F.relu(self.around(embedded.transpose(1, 2))).transpose(1, 2)

    def tokens(self, batch: Ragged) -> Tensor:
        """Features ``(sum of lengths, hidden)``."""
        return self.states(batch)[real(batch)]

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The mean of `token_graph` over real positions."""
        return graph.mean(self.token_graph(graph, ids, lengths), graph.real(ids, lengths))

    def token_graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """Nodes of `states`."""
        table = graph.weight("embedding", self.embedding.weight)
        embedded = embed_graph(graph, table, self.spelling, ids)
        (columns,) = graph.add(
            "Transpose", [graph.masked(embedded, graph.real(ids, lengths))], perm=[0, 2, 1]
        )
        weight = graph.weight("around.w", self.around.weight)
        bias = graph.weight("around.b", cast("Tensor", self.around.bias))
        (seen,) = graph.add("Conv", [columns, weight, bias], pads=[self.config.reach] * 2)
        (active,) = graph.add("Relu", [seen])
        return graph.add("Transpose", [active], perm=[0, 2, 1])[0]
