"""What a word's spelling adds to its embedding, in torch and as a graph.

Ma & Hovy 2016 and Lample et al. 2016 give a tagger the letters of each word by a network of their own. Here
tables do it, as the features of linear taggers do (Ratnaparkhi 1996, Table 1): each trait of a word
(`understudy.tokenization.spelling`) has a small vector, the vectors of all kinds stand side by side, and one
linear map brings them to the width of the word's embedding, to which they are added.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from understudy.errors import DataError
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged
from understudy.tokenization.encoding import SPELLING
from understudy.tokenization.spelling import KINDS
from understudy.tokenization.words import PAD_ID, UNK_ID

TRAIT_WIDTH = 24
"""Width of a trait's vector."""

HIDDEN_WORDS = 0.1
"""Share of words that training hides behind the unknown word, whose row is not trained otherwise."""

SPELLING_SIZE = 12_000
"""Rows of the table of traits, at most."""


class Spelled(Protocol):
    """The sizes of a student that can read spelling."""

    @property
    def width(self) -> int:
        """Width of a word's embedding."""
        ...

    @property
    def spelling(self) -> bool:
        """Whether it does."""
        ...

    @property
    def spelling_size(self) -> int:
        """Rows of the table of traits."""
        ...


def spelling_count(config: Spelled) -> int:
    """Parameters that spelling adds to a student: 0 where it is not read."""
    return count(config.spelling_size, config.width) if config.spelling else 0


def spelling_of(config: Spelled) -> SpellingLayer | None:
    """The layer of a student that reads spelling; ``None`` for another."""
    return SpellingLayer(config.spelling_size, config.width) if config.spelling else None


def count(rows: int, width: int) -> int:
    """Parameters: ``r·s``, and ``(9·s + 1)·d`` of the map; s is `TRAIT_WIDTH`."""
    return rows * TRAIT_WIDTH + (len(KINDS) * TRAIT_WIDTH + 1) * width


class SpellingLayer(nn.Module):
    """Traits of words → what is added to the words' embeddings.

    Args:
        rows: Rows of the table of traits, that of unknown ones included.
        width: Width of a word's embedding.
    """

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, TRAIT_WIDTH, padding_idx=PAD_ID)
        nn.init.normal_(self.table.weight, std=0.1)
        self.table.weight.data[PAD_ID] = 0.0
        self.map = nn.Linear(len(KINDS) * TRAIT_WIDTH, width)

    def forward(self, batch: Ragged) -> Tensor:
        """``(sum of lengths, width)``.

        Raises:
            DataError: The batch has no spelling.
        """
        if batch.spelling is None:
            raise DataError("This student reads how words are spelled, but the batch holds ids alone.")
        vectors: Tensor = self.map(self.table(batch.spelling).flatten(1))
        return vectors

    def hide(self, batch: Ragged) -> Ragged:
        """In training, the batch with some words unknown; their spelling is still seen."""
        if not self.training:
            return batch
        is_hidden = torch.rand(batch.ids.shape) < HIDDEN_WORDS
        return Ragged(batch.ids.masked_fill(is_hidden, UNK_ID), batch.lengths, batch.spelling)

    def graph(self, graph: Graph) -> str:
        """The same as nodes, from the graph's input of that name; name of ``(b, t, width)`` out."""
        (vectors,) = graph.add("Gather", [graph.weight("spelling.table", self.table.weight), SPELLING])
        flat = graph.weight("spelling.flat", np.array([0, 0, -1]))
        (side_by_side,) = graph.add("Reshape", [vectors, flat])
        return graph.linear(side_by_side, self.map, "spelling.map")


def embed(
    embedding: nn.Embedding, spelling: SpellingLayer | None, batch: Ragged, scale: float = 1.0
) -> Tensor:
    """``(b, t, d)``: the words' embeddings times ``scale``, and what spelling adds where it is read."""
    if spelling is None:
        alone: Tensor = embedding(batch.padded()) * scale
        return alone
    seen = spelling.hide(batch)
    together: Tensor = embedding(seen.padded()) * scale + seen.filled(spelling(seen))
    return together


def embed_words(embedding: nn.Embedding, spelling: SpellingLayer | None, batch: Ragged) -> Tensor:
    """The same without a scale, of words alone: ``(sum of lengths, d)``."""
    if spelling is None:
        alone: Tensor = embedding(batch.ids)
        return alone
    seen = spelling.hide(batch)
    together: Tensor = embedding(seen.ids) + spelling(seen)
    return together


def embed_graph(graph: Graph, table: str, spelling: SpellingLayer | None, ids: str) -> str:
    """`embed` as nodes: names of the weights ``(v, d)`` and of ids ``(b, t)`` in, of ``(b, t, d)`` out."""
    (embedded,) = graph.add("Gather", [table, ids])
    if spelling is None:
        return embedded
    return graph.add("Add", [embedded, spelling.graph(graph)])[0]
