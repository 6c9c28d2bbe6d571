"""`bert-tiny.v1`, `bert-mini.v1`, `bert-small.v1`: BERT of 2 or 4 layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from understudy.core.checks import check_choice
from understudy.errors import RecipeError
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged, mean, real
from understudy.students.layers.word_table import WordTable
from understudy.students.registry import TrainingDefaults, register
from understudy.tokenization.words import PAD_ID

POSITIONS = 512
"""Rows of the position table, as in every published BERT: no longer text can be read."""

POOLINGS = ("mean", "first")


@dataclass(frozen=True)
class BERTConfig:
    """Sizes of `bert-tiny.v1`.

    Attributes:
        vocabulary_size: Rows of the embedding table, special words included.
        layers: Number of transformer layers.
        width: Width of an embedding and of every state.
        heads: Number of attention heads, which divides the width.
        feed_forward: Width of the hidden layer of a transformer layer.
        pooling: What a text's features are: the ``mean`` of its positions, or the ``first`` position, for
            vocabularies that begin every text with ``[CLS]``.
        dropout: Share of state entries and attention dropped in training.
        max_words: Words that are read of a text, `POSITIONS` at most.

    Raises:
        RecipeError: An unknown pooling, more words than positions, or heads that do not divide the width.
    """

    vocabulary_size: int = 30_522
    layers: int = 2
    width: int = 128
    heads: int = 2
    feed_forward: int = 512
    pooling: str = "mean"
    dropout: float = 0.1
    max_words: int = POSITIONS

    def __post_init__(self) -> None:
        check_choice("pooling", self.pooling, POOLINGS)
        if self.width % self.heads:
            raise RecipeError(f"{self.heads} heads cannot share a width of {self.width} evenly.")
        if not 1 <= self.max_words <= POSITIONS:
            raise RecipeError(f"max_words is {self.max_words}, but must lie between 1 and {POSITIONS}.")


@dataclass(frozen=True)
class BERTMiniConfig(BERTConfig):
    """Sizes of `bert-mini.v1`."""

    layers: int = 4
    width: int = 256
    heads: int = 4
    feed_forward: int = 1024


@dataclass(frozen=True)
class BERTSmallConfig(BERTConfig):
    """Sizes of `bert-small.v1`."""

    layers: int = 4
    width: int = 512
    heads: int = 8
    feed_forward: int = 2048


def parameters(config: BERTConfig, labels: int, features: int) -> int:
    """``(v + 516)·d``, per layer ``4·d·(d + 1) + f·(2·d + 1) + 5·d``, and ``(k·d + 1)·d + (d + 1)·c``."""
    d, forward = config.width, config.feed_forward
    tables = (config.vocabulary_size + POSITIONS + 4) * d  # two token types, gain and bias of the norm
    layer = 4 * d * (d + 1) + forward * (2 * d + 1) + 5 * d
    return tables + config.layers * layer + (features * d + 1) * d + (d + 1) * labels


class PoolerHead(nn.Module):
    """BERT's own head: a tanh layer, dropout, a linear map: ``(..., width) -> (..., labels)``.

    Args:
        width: Number of features.
        hidden: Width of the layer.
        labels: Number of logits, c.
        dropout: Share of the layer's entries dropped in training.
    """

    def __init__(self, width: int, hidden: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.pooler = nn.Linear(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of features."""
        logits: Tensor = self.output(self.dropout(torch.tanh(self.pooler(features))))
        return logits

    def graph(self, graph: Graph, features: str) -> str:
        """The same as nodes; returns the name of the logits."""
        (pooled,) = graph.add("Tanh", [graph.linear(features, self.pooler, "pooler")])
        return graph.linear(pooled, self.output, "output")


def _head(config: BERTConfig, width: int, labels: int) -> PoolerHead:
    return PoolerHead(width, config.width, labels, config.dropout)


class BERT(nn.Module):
    """The transformer of Devlin et al. 2019, in the sizes of Turc et al. 2019.

    Args:
        config: Sizes.
    """

    def __init__(self, config: BERTConfig) -> None:
        from transformers import BertConfig, BertModel

        super().__init__()
        self.config = config
        self.width = self.token_width = config.width
        self.bert: Any = BertModel(
            BertConfig(
                vocab_size=config.vocabulary_size,
                hidden_size=config.width,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                intermediate_size=config.feed_forward,
                max_position_embeddings=POSITIONS,
                hidden_dropout_prob=config.dropout,
                attention_probs_dropout_prob=config.dropout,
                pad_token_id=PAD_ID,
            ),
            add_pooling_layer=False,
        )

    def word_table(self) -> WordTable:
        """Where the words' vectors are."""
        return WordTable(self.bert.embeddings.word_embeddings.weight)

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, width)``: mean of the last layer over real positions, or its first position."""
        states = self.states(batch)
        return mean(states, batch) if self.config.pooling == "mean" else states[:, 0]

    def states(self, batch: Ragged) -> Tensor:
        """``(b, t, width)``: the last layer; arbitrary after the end."""
        answer = self.bert(input_ids=batch.padded(), attention_mask=real(batch).long())
        states: Tensor = answer.last_hidden_state
        return states

    def tokens(self, batch: Ragged) -> Tensor:
        """Features ``(sum of lengths, width)``."""
        return self.states(batch)[real(batch)]

    def inside(self, batch: Ragged) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Features of `forward`, all layers' states ``(b, t, width)``, all attentions ``(b, h, t, t)``.

        Fast kernels never form the matrix of attention, so the plain form computes it.
        """
        self.bert.set_attn_implementation("eager")
        found = self.bert(
            input_ids=batch.padded(),
            attention_mask=real(batch).long(),
            output_hidden_states=True,
            output_attentions=True,
        )
        states = found.last_hidden_state
        features = mean(states, batch) if self.config.pooling == "mean" else states[:, 0]
        return features, tuple(found.hidden_states), tuple(found.attentions)

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """`token_graph`, pooled."""
        states = self.token_graph(graph, ids, lengths)
        if self.config.pooling == "mean":
            return graph.mean(states, graph.real(ids, lengths))
        return graph.add("Gather", [states, graph.weight("first", np.array(0))], axis=1)[0]

    def token_graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """Nodes of `states`; longer texts than `POSITIONS` are an error of the runtime."""
        parts = self.bert.embeddings
        table = parts.position_embeddings.weight + parts.token_type_embeddings.weight[0]
        (words,) = graph.add("Gather", [graph.weight("embedding", parts.word_embeddings.weight), ids])
        (places,) = graph.add("Gather", [graph.weight("positions", table), graph.positions(ids)])
        (embedded,) = graph.add("Add", [words, places])
        states, there = graph.layer_norm(embedded, parts.LayerNorm, "norm"), graph.real(ids, lengths)
        for number, layer in enumerate(self.bert.encoder.layer):
            states = self._layer(graph, states, there, layer, f"layer.{number}")
        return states

    def _layer(self, graph: Graph, states: str, there: str, layer: Any, name: str) -> str:
        """One transformer layer: attention and two linear maps, each added to what enters it, then normed."""
        look, out = layer.attention.self, layer.attention.output
        maps = {"query": look.query, "key": look.key, "value": look.value}
        mapped = [graph.linear(states, part, f"{name}.{key}") for key, part in maps.items()]
        mixed = graph.attention(mapped, there, self.config.heads, self.width)
        (added,) = graph.add("Add", [states, graph.linear(mixed, out.dense, f"{name}.out")])
        normal = graph.layer_norm(added, out.LayerNorm, f"{name}.norm1")
        active = graph.gelu(graph.linear(normal, layer.intermediate.dense, f"{name}.linear1"))
        (added,) = graph.add("Add", [normal, graph.linear(active, layer.output.dense, f"{name}.linear2")])
        return graph.layer_norm(added, layer.output.LayerNorm, f"{name}.norm2")


_MEDIUM: dict[str, dict[str, Any]] = {"medium": {"layers": 8}}
"""41.37 M parameters: the next size of Turc et al. 2019."""

for _name, _config, _rate, _presets in (
    ("bert-tiny.v1", BERTConfig, 2e-4, None),
    ("bert-mini.v1", BERTMiniConfig, 1e-4, None),
    ("bert-small.v1", BERTSmallConfig, 1e-4, _MEDIUM),
):
    register(
        _name,
        config=_config,
        head=_head,
        parameters=parameters,
        training=TrainingDefaults(
            12, batch_size=32, learning_rate=_rate, patience=5, is_bucketed=True, pair="joint"
        ),
        presets=_presets,
        source="Nityasya et al. 2022, Table 7; sizes of Turc et al. 2019, architecture of Devlin et al. 2019",
    )(BERT)
