"""`attn-bilstm.v1`: a bidirectional LSTM, and self-attention over its states."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from torch import Tensor, nn

from understudy.errors import RecipeError
from understudy.students.bilstm import BiLSTM, BiLSTMConfig
from understudy.students.bilstm import parameters as bilstm_parameters
from understudy.students.layers.heads import LinearHead
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged, real
from understudy.students.layers.spelling import SPELLING_SIZE
from understudy.students.layers.word_table import WordTable
from understudy.students.registry import TrainingDefaults, register


@dataclass(frozen=True)
class AttnBiLSTMConfig:
    """Sizes of `attn-bilstm.v1`.

    Attributes:
        vocabulary_size: Rows of the embedding table, special words included.
        width: Width of an embedding.
        hidden: Width of the LSTM's state, per direction.
        layers: Number of layers of the LSTM.
        blocks: Transformer layers on top.
        heads: Number of attention heads, which divides ``2 · hidden``.
        feed_forward: Width of the hidden layer of a transformer layer.
        dropout: Share of embedding and state entries dropped in training.
        max_words: Words that are read of a text.
        spelling: Whether each word's spelling is read beside its id (tagging).
        spelling_size: Rows of the table of spellings; of a trained student, as many as its words have traits.

    Raises:
        RecipeError: The heads do not divide the width of the states.
    """

    vocabulary_size: int = 30_522
    width: int = 100
    hidden: int = 64
    layers: int = 1
    blocks: int = 1
    heads: int = 4
    feed_forward: int = 512
    dropout: float = 0.2
    max_words: int | None = 512
    spelling: bool = False
    spelling_size: int = SPELLING_SIZE

    def __post_init__(self) -> None:
        if 2 * self.hidden % self.heads:
            raise RecipeError(
                f"{self.heads} heads cannot share states of width {2 * self.hidden} (twice hidden) evenly."
                " Choose a number of heads that divides it."
            )


PRESETS: dict[str, dict[str, Any]] = {"classification": {}, "tagging": {"width": 128, "blocks": 2}}
"""Sizes by name: 3.34 M and 4.40 M parameters, next to the paper's 3.35 M and 4.38 M."""


def parameters(config: AttnBiLSTMConfig, labels: int, features: int) -> int:
    """Those of `bilstm.v1`, and with s = 2h, per block ``4·(s² + s) + f·(2·s + 1) + 5·s``."""
    states, forward = 2 * config.hidden, config.feed_forward
    block = 4 * states * (states + 1) + forward * (2 * states + 1) + 5 * states
    return bilstm_parameters(_lower(config), labels, features) + config.blocks * block


def _lower(config: AttnBiLSTMConfig) -> BiLSTMConfig:
    names = (field.name for field in fields(BiLSTMConfig))
    return BiLSTMConfig(**{name: getattr(config, name) for name in names})


@register(
    "attn-bilstm.v1",
    config=AttnBiLSTMConfig,
    head=lambda config, width, labels: LinearHead(width, labels, config.dropout),
    parameters=parameters,
    training=TrainingDefaults(epochs=12, batch_size=64, learning_rate=1e-3, patience=5, is_bucketed=True),
    presets=PRESETS,
    source="Nityasya et al. 2022, Table 7 (BiLSTM with attention)",
)
class AttnBiLSTM(nn.Module):
    """The states of `bilstm.v1`, transformer layers, the first position's state; the head is linear.

    Args:
        config: Sizes.
    """

    def __init__(self, config: AttnBiLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.width = self.token_width = 2 * config.hidden
        self.bilstm = BiLSTM(_lower(config))

        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                self.width,
                config.heads,
                config.feed_forward,
                config.dropout,
                activation="gelu",
                batch_first=True,
            )
            for _ in range(config.blocks)
        )

    def word_table(self) -> WordTable:
        """Where the words' vectors are."""
        return WordTable(self.bilstm.embedding.weight)

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, 2h)``: the first word's state, which has looked at all others."""
        return self.states(batch)[:, 0]

    def states(self, batch: Ragged) -> Tensor:
        """``(b, t, 2h)``: the state of every position; arbitrary after the end."""
        states, absent = self.bilstm.states(batch), ~real(batch)
        for block in self.blocks:
            states = block(states, src_key_padding_mask=absent)
        return states

    def tokens(self, batch: Ragged) -> Tensor:
        """Features ``(sum of lengths, 2h)``."""
        return self.states(batch)[real(batch)]

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The first position of `token_graph`."""
        first = graph.weight("first", np.array(0))
        return graph.add("Gather", [self.token_graph(graph, ids, lengths), first], axis=1)[0]

    def token_graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The LSTM's nodes, and attention's."""
        states, there = self.bilstm.token_graph(graph, ids, lengths), graph.real(ids, lengths)
        for number, block in enumerate(self.blocks):
            states = self._block(graph, states, there, block, f"block.{number}")
        return states

    def _block(self, graph: Graph, states: str, there: str, block: Any, name: str) -> str:
        """One transformer layer: attention and two linear maps, each added to what enters it, then normed."""
        attention = block.self_attn
        parts = zip("qkv", attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True)
        mapped = [graph.affine(states, weight, bias, f"{name}.{part}") for part, weight, bias in parts]
        mixed = graph.attention(mapped, there, self.config.heads, self.width)
        out = graph.linear(mixed, attention.out_proj, f"{name}.out")
        (added,) = graph.add("Add", [states, out])
        normal = graph.layer_norm(added, block.norm1, f"{name}.norm1")
        active = graph.gelu(graph.linear(normal, block.linear1, f"{name}.linear1"))
        (added,) = graph.add("Add", [normal, graph.linear(active, block.linear2, f"{name}.linear2")])
        return graph.layer_norm(added, block.norm2, f"{name}.norm2")
