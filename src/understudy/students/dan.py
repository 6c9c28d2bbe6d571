"""`dan.v1`: the mean of embeddings of words and of hashed n-grams of them; nearly as fast as `cbow.v1`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.errors import RecipeError
from understudy.students.layers.heads import HiddenHead
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged
from understudy.students.layers.word_table import WordTable, sif_weights
from understudy.students.registry import TrainingDefaults, register
from understudy.tokenization.words import PAD_ID

PRIME = 2**31 - 1
MULTIPLIER = 1_103_515_245
"""An n-gram's hash is a polynomial of its ids modulo `PRIME`, squared, so that neighbours go far apart.

No step leaves the numbers from 0 to 2^63."""

NO_GRAM = 0
"""Bucket for places where the text ends before an n-gram does: its row is zero and never trained."""


@dataclass(frozen=True)
class DANConfig:
    """Sizes of `dan.v1`; ``buckets × width`` is the dial from small to large.

    Attributes:
        vocabulary_size: Rows of the words' table, special words included.
        buckets: Rows of the table that all n-grams of two and more words share.
        width: Width of an embedding.
        longest: Words in the longest n-grams.
        hidden: Width of the hidden layer.
        gram_weight: Weight of an n-gram in the mean, where a word has 1. Most n-grams are rare, and AdamW
            moves rare rows as far as frequent ones: at full weight they outshout the words.
        max_words: Words that are read of a text; ``None`` reads all.

    Raises:
        RecipeError: No n-gram is longer than a word, or there is no bucket for one.
    """

    vocabulary_size: int = 5000
    buckets: int = 2**15
    width: int = 32
    longest: int = 4
    hidden: int = 32
    gram_weight: float = 0.1
    max_words: int | None = None

    def __post_init__(self) -> None:
        if self.longest < 2 or self.buckets < 2:
            raise RecipeError(
                f"longest is {self.longest} and buckets {self.buckets}, but n-grams need 2 of each at least."
                " A mean of single words is 'cbow.v1'."
            )


def parameters(config: DANConfig, labels: int, features: int) -> int:
    """``(v + B)·d + (k·d + 1)·h + (h + 1)·c``, with B buckets, and k = 3 for two texts apart."""
    tables = (config.vocabulary_size + config.buckets) * config.width
    return tables + (features * config.width + 1) * config.hidden + (config.hidden + 1) * labels


@register(
    "dan.v1",
    config=DANConfig,
    head=lambda config, width, labels: HiddenHead(width, config.hidden, labels),
    parameters=parameters,
    training=TrainingDefaults(epochs=20, batch_size=256, learning_rate=2e-3),
    presets={"small": {"buckets": 2**12, "width": 16}, "large": {"buckets": 2**18, "width": 64}},
    source="Iyyer et al. 2015, section 3 (DAN); Ye et al. 2022, section 3 (over n-grams of 1 to 4 words)",
)
class DAN(nn.Module):
    """Embed words and hashed n-grams, and take the weighted mean of all of them; the head has one ReLU layer.

    Args:
        config: Sizes.
    """

    def __init__(self, config: DANConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.embedding = nn.EmbeddingBag(config.vocabulary_size, config.width, mode="sum", padding_idx=PAD_ID)
        self.grams = nn.EmbeddingBag(config.buckets, config.width, mode="sum", padding_idx=NO_GRAM)
        for table in (self.embedding, self.grams):
            nn.init.normal_(table.weight, std=0.1)
            table.weight.data[0] = 0.0

    def word_table(self) -> WordTable:
        """Where the words' vectors are."""
        return WordTable(self.embedding.weight)

    def weigh(self, batch: Ragged) -> None:
        """Multiply each row by its smooth inverse frequency (Arora et al. 2017, section 3) among some texts.

        Frequent words and buckets thus begin small. Words are counted among words, n-grams among n-grams.
        """
        rows = {self.embedding: batch.ids, self.grams: self.buckets(batch).flatten()}
        for table, found in rows.items():
            counts = torch.bincount(found[found != NO_GRAM], minlength=table.num_embeddings)
            table.weight.data.mul_(torch.from_numpy(sif_weights(counts.numpy()))[:, None])

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, width)``."""
        orders = self.config.longest - 1
        words = self.embedding(batch.ids, batch.offsets)
        grams = self.grams(self.buckets(batch).flatten(), batch.offsets * orders)
        found = (batch.lengths[:, None] - torch.arange(1, orders + 1)).clamp(min=0).sum(dim=1)
        weight = self.config.gram_weight
        mean: Tensor = (words + weight * grams) / (batch.lengths + weight * found)[:, None]
        return mean

    def buckets(self, batch: Ragged) -> Tensor:
        """``(sum of lengths, longest - 1)`` int64: buckets of the 2-, 3-, …-grams that begin at each word."""
        ends = torch.repeat_interleave(torch.cumsum(batch.lengths, dim=0), batch.lengths)
        left = ends - torch.arange(len(batch.ids))  # words of the text from here on
        hashed, found = batch.ids, []
        for n in range(2, self.config.longest + 1):
            following = F.pad(batch.ids, (0, n - 1))[n - 1 :]
            hashed = (hashed * MULTIPLIER + following + 1) % PRIME
            bucket = hashed * hashed % PRIME % (self.config.buckets - 1) + 1
            found.append(torch.where(left >= n, bucket, NO_GRAM))
        return torch.stack(found, dim=1)

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The same as nodes; the rows of padding and of `NO_GRAM` are zero in the tables."""
        table = graph.weight("grams", self.grams.weight * self.config.gram_weight)
        total = self._sum(graph, graph.weight("embedding", self.embedding.weight), ids)
        (column,) = graph.add("Unsqueeze", [lengths, graph.weight("axis.last", np.array([-1]))])
        (divisor,) = graph.add("Cast", [column], to=1)
        zero = graph.weight("none", np.array(NO_GRAM))
        weight = graph.weight("gram_weight", np.array([self.config.gram_weight], dtype=np.float32))
        for n, bucket in enumerate(self.bucket_graph(graph, ids, lengths), start=2):
            (total,) = graph.add("Add", [total, self._sum(graph, table, bucket)])
            (more,) = graph.add("Sub", [column, graph.weight(f"less.{n}", np.array(n - 1))])
            (found,) = graph.add("Max", [more, zero])
            (count,) = graph.add("Cast", [found], to=1)
            (weighed,) = graph.add("Mul", [count, weight])
            (divisor,) = graph.add("Add", [divisor, weighed])
        return graph.add("Div", [total, divisor])[0]

    def bucket_graph(self, graph: Graph, ids: str, lengths: str) -> list[str]:
        """Nodes of `buckets`: a name of ``(b, t)`` for each length of n-gram."""
        (column,) = graph.add("Unsqueeze", [lengths, graph.weight("axis.last", np.array([-1]))])
        (left,) = graph.add("Sub", [column, graph.positions(ids)])
        constants = {"multiplier": MULTIPLIER, "prime": PRIME, "kept": self.config.buckets - 1, "next": 1}
        multiplier, prime, kept, one = (graph.weight(k, np.array(v)) for k, v in constants.items())
        zero, hashed, found = graph.weight("none", np.array(NO_GRAM)), ids, []
        for n in range(2, self.config.longest + 1):
            (moved,) = graph.add("Mul", [hashed, multiplier])
            (joined,) = graph.add("Add", [moved, self._following(graph, ids, n - 1)])
            (counted,) = graph.add("Add", [joined, one])
            (hashed,) = graph.add("Mod", [counted, prime])
            (square,) = graph.add("Mul", [hashed, hashed])
            (spread,) = graph.add("Mod", [square, prime])
            (rest,) = graph.add("Mod", [spread, kept])
            (bucket,) = graph.add("Add", [rest, one])
            (is_there,) = graph.add("GreaterOrEqual", [left, graph.weight(f"length.{n}", np.array(n))])
            found.append(graph.add("Where", [is_there, bucket, zero])[0])

        return found

    def _sum(self, graph: Graph, table: str, rows: str) -> str:
        """``(b, d)``: the sum of a table's rows ``(b, t)``."""
        (picked,) = graph.add("Gather", [table, rows])
        axis = graph.weight("axis.words", np.array([1]))
        return graph.add("ReduceSum", [picked, axis], keepdims=0)[0]

    def _following(self, graph: Graph, ids: str, steps: int) -> str:
        """``(b, t)``: the id some steps on, and 0 where a row has ended."""
        (longer,) = graph.add("Pad", [ids, graph.weight(f"pads.{steps}", np.array([0, 0, 0, steps]))])
        start = graph.weight(f"slice.{steps}", np.array([steps]))
        end, axis = graph.weight("slice.end", np.array([2**62])), graph.weight("axis.words", np.array([1]))
        return graph.add("Slice", [longer, start, end, axis])[0]
