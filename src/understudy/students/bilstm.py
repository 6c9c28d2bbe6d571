"""`bilstm.v1`: two stacked bidirectional LSTMs; reads word order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from understudy.students.graph import Graph
from understudy.students.heads import LinearHead
from understudy.students.padding import real
from understudy.students.ragged import Ragged
from understudy.students.registry import TrainingDefaults, register
from understudy.words import PAD_ID


@dataclass(frozen=True)
class BiLSTMConfig:
    """Sizes of `bilstm.v1`.

    Attributes:
        vocabulary_size: rows of the embedding table, special words included.
        width: of an embedding.
        hidden: width of a layer's state, per direction.
        layers: stacked layers.
        dropout: share of embedding and state entries dropped in training.
        max_words: words that are read of a text.
    """

    vocabulary_size: int = 5000
    width: int = 100
    hidden: int = 64
    layers: int = 2
    dropout: float = 0.2
    max_words: int | None = 512


def parameters(config: BiLSTMConfig, labels: int, features: int) -> int:
    """``v·d``, per layer ``8h·(input + h + 2)``, and ``(2h·k + 1)·c``, with k = 3 for two texts apart."""
    total = config.vocabulary_size * config.width + (2 * config.hidden * features + 1) * labels
    entering = config.width
    for _ in range(config.layers):
        total += 8 * config.hidden * (entering + config.hidden + 2)
        entering = 2 * config.hidden
    return total


@register(
    "bilstm.v1",
    config=BiLSTMConfig,
    head=lambda config, width, labels: LinearHead(width, labels, config.dropout),
    parameters=parameters,
    training=TrainingDefaults(epochs=15, batch_size=64, learning_rate=2e-3, is_bucketed=True),
    source="Wasserblat et al. 2020, section 4.1 (Bi-LSTM)",
)
class BiLSTM(nn.Module):
    """Embed, stacked bidirectional LSTM layers, the last state of each direction; the head is linear.

    Args:
        config: sizes.
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

    @property
    def token_width(self) -> int:
        """Number of features of a token."""
        return self.width

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, 2h)``: the forward state after the last real word, the backward after the first."""
        _, (states, _) = self.lstm(self._packed(batch))
        return torch.cat([states[-2], states[-1]], dim=-1)

    def states(self, batch: Ragged) -> Tensor:
        """``(b, t, 2h)``: both directions' state at every position of the last layer, 0 behind the end."""
        padded, _ = pad_packed_sequence(self.lstm(self._packed(batch))[0], batch_first=True)
        return padded

    def tokens(self, batch: Ragged) -> Tensor:
        """Features ``(sum of lengths, 2h)``."""
        return self.states(batch)[real(batch)]

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """ONNX LSTM nodes with ``sequence_lens``, which exporters do not make of a packed sequence."""
        _, last = self._layers(graph, ids, lengths)
        (rows,) = graph.add("Transpose", [last], perm=[1, 0, 2])
        (state,) = graph.add("Reshape", [rows, graph.weight("flat", np.array([0, -1]))])
        return state

    def token_graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The same nodes, read at every position."""
        steps, _ = self._layers(graph, ids, lengths)
        return graph.add("Transpose", [steps], perm=[1, 0, 2])[0]

    def _packed(self, batch: Ragged) -> PackedSequence:
        embedded = self.dropout(self.embedding(batch.padded()))
        return pack_padded_sequence(embedded, batch.lengths, batch_first=True, enforce_sorted=False)

    def _layers(self, graph: Graph, ids: str, lengths: str) -> tuple[str, str]:
        """Names of the last layer's states, ``(t, b, 2h)`` at every position and ``(2, b, h)`` at the end."""
        (rows,) = graph.add("Gather", [graph.weight("embedding", self.embedding.weight), ids])
        (steps,) = graph.add("Transpose", [rows], perm=[1, 0, 2])
        (counts,) = graph.add("Cast", [lengths], to=6)
        merge = graph.weight("merge", np.array([0, 0, -1]))
        last = ""
        for layer in range(self.config.layers):
            weights = [graph.weight(f"lstm.{layer}.{key}", value) for key, value in self._gates(layer)]
            every, last, _ = graph.add(
                "LSTM",
                [steps, *weights, counts],
                outputs=3,
                hidden_size=self.config.hidden,
                direction="bidirectional",
            )
            (aligned,) = graph.add("Transpose", [every], perm=[0, 2, 1, 3])
            (steps,) = graph.add("Reshape", [aligned, merge])
        return steps, last

    def _gates(self, layer: int) -> list[tuple[str, Tensor]]:
        """Both directions' weights with torch's gates (i, f, g, o) put in the order of ONNX (i, o, f, g)."""

        def both(kind: str) -> Tensor:
            return torch.stack(
                [self._reordered(f"{kind}_l{layer}{direction}") for direction in ("", "_reverse")]
            )

        bias = torch.cat([both("bias_ih"), both("bias_hh")], dim=1)
        return [("w", both("weight_ih")), ("r", both("weight_hh")), ("b", bias)]

    def _reordered(self, name: str) -> Tensor:
        enter, forget, cell, out = getattr(self.lstm, name).detach().chunk(4)
        return torch.cat([enter, out, forget, cell])
