"""`bilstm.v1`: two stacked bidirectional LSTMs; reads word order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from understudy.students.layers.dropout import drop
from understudy.students.layers.heads import LinearHead
from understudy.students.layers.lstm import (
    count,
    every_state_graph,
    last_states,
    last_states_graph,
)
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged
from understudy.students.layers.recurrence import every_state
from understudy.students.layers.spelling import (
    SPELLING_SIZE,
    embed_graph,
    embed_words,
    spelling_count,
    spelling_of,
)
from understudy.students.layers.word_table import WordTable
from understudy.students.registry import TrainingDefaults, register
from understudy.tokenization.words import PAD_ID


@dataclass(frozen=True)
class BiLSTMConfig:
    """Sizes of `bilstm.v1`.

    Attributes:
        vocabulary_size: Rows of the embedding table, special words included.
        width: Width of an embedding.
        hidden: Width of a layer's state, per direction.
        layers: Stacked layers.
        dropout: Share of embedding and state entries dropped in training.
        max_words: Words that are read of a text.
        spelling: Whether each word's spelling is read beside its id (tagging).
        spelling_size: Rows of the table of spellings; of a trained student, as many as its words have traits.
    """

    vocabulary_size: int = 5000
    width: int = 100
    hidden: int = 64
    layers: int = 2
    dropout: float = 0.2
    max_words: int | None = 512
    spelling: bool = False
    spelling_size: int = SPELLING_SIZE


PRESETS: dict[str, dict[str, Any]] = {
    "large": {"width": 200, "hidden": 128},
    "tang": {"width": 300, "hidden": 150, "layers": 1},
    "tagger": {"hidden": 128, "layers": 1, "spelling": True},
}
"""Sizes by name: 1.73 M parameters, next to 1.7 M of Wasserblat et al. 2020; those of Tang et al. 2019; and
for tagging, one wide layer with spelling: better on dev than two narrow ones, and quicker to train."""


def parameters(config: BiLSTMConfig, labels: int, features: int) -> int:
    """``v·d``, per layer ``8h·(input + h + 2)``, and ``(2h·k + 1)·c``, with k = 3 for two texts apart.

    With spelling, that of `understudy.students.layers.spelling.count` beside it.
    """
    table = config.vocabulary_size * config.width + spelling_count(config)
    lstm = count(config.width, config.hidden, config.layers)
    return table + lstm + (2 * config.hidden * features + 1) * labels


@register(
    "bilstm.v1",
    config=BiLSTMConfig,
    head=lambda config, width, labels: LinearHead(width, labels, config.dropout),
    parameters=parameters,
    training=TrainingDefaults(epochs=15, batch_size=64, learning_rate=2e-3, is_bucketed=True),
    source="Wasserblat et al. 2020, section 4.1 (Bi-LSTM)",
    presets=PRESETS,
)
class BiLSTM(nn.Module):
    """Embed, stacked bidirectional LSTM layers, the last state of each direction; the head is linear.

    Args:
        config: Sizes.
    """

    def __init__(self, config: BiLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.width = 2 * config.hidden
        self.embedding = nn.Embedding(config.vocabulary_size, config.width, padding_idx=PAD_ID)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.embedding.weight.data[PAD_ID] = 0.0

        self.lstm = nn.LSTM(
            config.width,
            config.hidden,
            num_layers=config.layers,
            bidirectional=True,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(config.dropout)
        self.spelling = spelling_of(config)

    def word_table(self) -> WordTable:
        """Where the words' vectors are."""
        return WordTable(self.embedding.weight)

    @property
    def token_width(self) -> int:
        """Number of features of a token."""
        return self.width

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, 2h)``: the forward state after the last real word, the backward after the first."""
        return last_states(self.lstm, self._embed(batch), batch)

    def states(self, batch: Ragged) -> Tensor:
        """``(b, t, 2h)``: both directions' state at every position of the last layer, 0 after the end."""
        return batch.filled(self.tokens(batch))

    def tokens(self, batch: Ragged) -> Tensor:
        """Features ``(sum of lengths, 2h)``."""
        return every_state(self.lstm, self._embed(batch), batch)

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """Gather, and the LSTM's nodes."""
        return last_states_graph(graph, self.lstm, self._gather(graph, ids), lengths)

    def token_graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The same nodes, read at every position."""
        return every_state_graph(graph, self.lstm, self._gather(graph, ids), lengths)

    def _embed(self, batch: Ragged) -> Tensor:
        embedded = embed_words(self.embedding, self.spelling, batch)
        return drop(embedded, self.dropout.p, is_training=self.training)

    def _gather(self, graph: Graph, ids: str) -> str:
        return embed_graph(graph, graph.weight("embedding", self.embedding.weight), self.spelling, ids)
