"""`cmow.v1`: every word is a matrix, and a text is the product of its words' matrices; reads word order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from understudy.core.checks import check_choice, check_positive
from understudy.errors import RecipeError
from understudy.students.layers.heads import MatrixConvolutionHead, NormHead, NormHiddenHead
from understudy.students.layers.lstm import (
    count,
    every_state_graph,
    last_states,
    last_states_graph,
)
from understudy.students.layers.matrix import prefix_graph, prefix_products, product, product_graph
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.products import features_of, why_not
from understudy.students.layers.ragged import Ragged, real
from understudy.students.layers.recurrence import every_state
from understudy.students.layers.word_table import WordTable
from understudy.students.registry import TrainingDefaults, register
from understudy.tokenization.words import PAD_ID

HEADS = ("linear", "mlp", "cnn", "bilstm")
"""What a config can call its head."""


@dataclass(frozen=True)
class CMOWConfig:
    """Sizes of `cmow.v1`.

    Attributes:
        vocabulary_size: Rows of the embedding table, special words included.
        size: D, rows and columns of a word's matrix.
        head: ``linear`` (layer norm, linear map), ``mlp`` (hidden layer with layer norm, linear map),
            ``cnn`` (3 x 3 convolution over the products, largest values, layer norm, linear map), or
            ``bilstm`` (a bidirectional LSTM over the features of every word, layer norm, linear map).
        hidden: Width of the ``mlp`` head's layer.
        filters: Number of filters of the ``cnn`` head.
        states: Width of the ``bilstm`` head's state, per direction.
        dropout: Share of the entries of M - I, and of word vectors, dropped in training.
        max_words: Words that are read of a text.

    Raises:
        RecipeError: An unknown head, or a size below 1.
    """

    directions: ClassVar[int] = 1
    """Matrices a word has: one for reading forward, another for reading backward."""

    vocabulary_size: int = 30_522
    size: int = 28
    head: str = "linear"
    hidden: int = 1000
    filters: int = 100
    states: int = 200
    dropout: float = 0.2
    max_words: int | None = 512

    def __post_init__(self) -> None:
        check_choice("head", self.head, HEADS)
        check_positive(size=self.size, hidden=self.hidden, filters=self.filters, states=self.states)

    @property
    def vector(self) -> int:
        """Width of the word vectors beside the matrices."""
        return 0

    @property
    def row(self) -> int:
        """Entries of a row of the table, and features of a text."""
        return self.directions * self.size**2 + self.vector


def parameters(config: CMOWConfig, labels: int, features: int) -> int:
    """``v·w`` and the head's.

    ``w`` counts the entries of a word's matrices and vector. With ``f = k·w``, k = 3 for two texts encoded
    apart, the head has ``2f + (f + 1)·c`` (linear) or ``(f + 1)·h + 2h + (h + 1)·c`` (mlp); with s filters,
    ``(9k·directions + 1)·s + 2g + (g + 1)·c``, ``g = s + k·vector`` (cnn); with states of h,
    ``8h·(w + h + 2) + 2g + (g + 1)·c``, ``g = 2k·h`` (bilstm).
    """
    table, read, hidden = config.vocabulary_size * config.row, features * config.row, config.hidden
    if config.head == "linear":
        return table + 2 * read + (read + 1) * labels
    if config.head == "mlp":
        return table + (read + 1) * hidden + 2 * hidden + (hidden + 1) * labels
    if config.head == "bilstm":
        found = 2 * features * config.states
        return table + count(config.row, config.states) + 2 * found + (found + 1) * labels
    found = config.filters + features * config.vector
    return table + (9 * features * config.directions + 1) * config.filters + 2 * found + (found + 1) * labels


def head(config: CMOWConfig, width: int, labels: int) -> nn.Module:
    """The head that the config names."""
    if config.head in ("linear", "bilstm"):  # the LSTM is the encoder's, which alone sees every word
        return NormHead(width, labels)
    if config.head == "mlp":
        return NormHiddenHead(width, config.hidden, labels)
    return MatrixConvolutionHead(
        width // config.row,
        labels,
        matrices=config.directions,
        size=config.size,
        vector=config.vector,
        filters=config.filters,
    )


SOURCE = "Galke et al. 2022 (matrix embeddings by cross-architecture distillation)"


@register(
    "cmow.v1",
    config=CMOWConfig,
    head=head,
    parameters=parameters,
    training=TrainingDefaults(epochs=10, batch_size=64, learning_rate=3e-4, patience=5, is_bucketed=True),
    source=SOURCE,
)
class CMOW(nn.Module):
    """Multiply the matrices of a text's words, in each direction; average their vectors, if they have any.

    The table holds M - I, so that padding, a row of zeros, is the identity, and dropout and weight decay pull
    towards it.

    Args:
        config: Sizes.
    """

    def __init__(self, config: CMOWConfig) -> None:
        super().__init__()
        self.config = config
        self.width = self.token_width = config.row
        matrices = config.row - config.vector
        self.embedding = nn.Embedding(config.vocabulary_size, config.row, padding_idx=PAD_ID)
        nn.init.normal_(self.embedding.weight[:, :matrices], std=0.01)
        nn.init.normal_(self.embedding.weight[:, matrices:], std=0.1)
        self.embedding.weight.data[PAD_ID] = 0.0
        self.dropout = nn.Dropout(config.dropout)
        self.lstm: nn.LSTM | None = None
        if config.head == "bilstm":
            self.lstm = nn.LSTM(config.row, config.states, bidirectional=True, batch_first=True)
            self.width = self.token_width = 2 * config.states

    def word_table(self) -> WordTable:
        """Where the words' vectors are.

        Raises:
            RecipeError: The words have matrices alone.
        """
        if not self.config.vector:
            raise RecipeError(
                "A word of 'cmow.v1' is a matrix near the identity, to be multiplied: a word vector cannot "
                "be used. 'hybrid.v1' and 'bihybrid.v1' have vectors beside the matrices."
            )
        return WordTable(self.embedding.weight, first=self.config.row - self.config.vector)

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, width)``: each direction's product, then the mean of the word vectors.

        With the head ``bilstm``, the LSTM's last states over the features of every word. Without gradients
        and dropout C multiplies, if it is there.
        """
        if self.lstm is not None:
            return last_states(self.lstm, self._every(batch)[real(batch)], batch)
        if not (self.training and self.dropout.p) and not why_not(
            self.embedding.weight, self.config.size, self.config.vector
        ):
            return features_of(self.embedding.weight, self.config.size, self.config.directions, batch)
        matrices, vectors = self._embed(batch)
        products = [product(each).flatten(1) for each in matrices]
        return torch.cat([*products, vectors.sum(1) / batch.lengths[:, None]], dim=-1)

    def tokens(self, batch: Ragged) -> Tensor:
        """Features ``(sum of lengths, width)``: the products from either end to a word, and its vector.

        With the head ``bilstm``, the LSTM's states over these.
        """
        every = self._every(batch)[real(batch)]
        return every if self.lstm is None else every_state(self.lstm, every, batch)

    def _every(self, batch: Ragged) -> Tensor:
        """``(b, t, row)``: the products from either end to each word, and its vector."""
        matrices, vectors = self._embed(batch)
        products = [prefix_products(each).flatten(2) for each in matrices]
        if len(products) == 2:
            products[1] = products[1].flip(1)
        return torch.cat([*products, vectors], dim=-1)

    def _embed(self, batch: Ragged) -> tuple[list[Tensor], Tensor]:
        """Each direction's matrices ``(b, t, d, d)`` in their order of multiplication, and the word vectors.

        Padding is the identity, before a text's words in the second direction and behind them in the first.
        """
        size = self.config.size
        entries = self.dropout(self.embedding(batch.padded()))
        *deviations, vectors = torch.split(entries, self._split, dim=-1)
        identity = torch.eye(size)
        matrices = [torch.unflatten(each, -1, (size, size)) + identity for each in deviations]
        return [each.flip(1) if backward else each for backward, each in enumerate(matrices)], vectors

    @property
    def _split(self) -> list[int]:
        """Widths of a row's parts: each direction's matrix, and the vector."""
        return [self.config.size**2] * self.config.directions + [self.config.vector]

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """Gather matrices, padding being the identity, and multiply them in a Scan."""
        if self.lstm is not None:
            return last_states_graph(graph, self.lstm, self._every_graph(graph, ids), lengths)
        flat, parts = graph.weight("flat", np.array([0, -1])), []
        for direction, matrices in enumerate(self._gather(graph, ids)):
            whole = product_graph(graph, matrices, self.config.size, is_reversed=direction == 1)
            parts += graph.add("Reshape", [whole, flat])
        if self.config.vector:
            one = graph.weight("one", np.array([1]))
            (total,) = graph.add("ReduceSum", [self._gather_vectors(graph, ids), one], keepdims=0)
            (length,) = graph.add("Cast", [lengths], to=1)
            (column,) = graph.add("Unsqueeze", [length, one])
            parts += graph.add("Div", [total, column])
        return graph.add("Concat", parts, axis=-1)[0]

    def token_graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The same with the products up to each word: ``(b, t, width)``."""
        every = self._every_graph(graph, ids)
        return every if self.lstm is None else every_state_graph(graph, self.lstm, every, lengths)

    def _every_graph(self, graph: Graph, ids: str) -> str:
        """Nodes of `_every`; padding is the identity."""
        flat, parts = graph.weight("flat", np.array([0, 0, -1])), []
        for direction, matrices in enumerate(self._gather(graph, ids)):
            every = prefix_graph(graph, matrices, self.config.size, is_reversed=direction == 1)
            parts += graph.add("Reshape", [every, flat])
        if self.config.vector:
            parts.append(self._gather_vectors(graph, ids))
        return graph.add("Concat", parts, axis=-1)[0]

    def _gather(self, graph: Graph, ids: str) -> list[str]:
        """Names of each direction's matrices ``(b, t, d, d)``; the graph's tables hold M itself."""
        names, identity = [], torch.eye(self.config.size)
        deviations = torch.split(self.embedding.weight.detach(), self._split, dim=-1)[:-1]
        for direction, each in enumerate(deviations):
            matrices = torch.unflatten(each, -1, identity.shape) + identity
            names += graph.add("Gather", [graph.weight(f"matrices.{direction}", matrices), ids])
        return names

    def _gather_vectors(self, graph: Graph, ids: str) -> str:
        """Name of the word vectors ``(b, t, vector)``."""
        vectors = self.embedding.weight.detach()[:, -self.config.vector :]
        return graph.add("Gather", [graph.weight("vectors", vectors), ids])[0]
