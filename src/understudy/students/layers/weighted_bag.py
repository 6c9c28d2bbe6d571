"""A bag of words and n-grams, weighed by inverse document frequency and divided by its length.

The form of `linear.v1`, `cbow.v2` and `dan.v2`. Each feature (a word, or an n-gram that the vocabulary names)
has a weight and a row of a table. What a text is worth is the sum of its features' rows times their weights,
divided by the Euclidean length of the weights: what tf-idf makes of a text, times a matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.errors import RecipeError
from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged
from understudy.students.layers.word_table import WordTable
from understudy.tokenization.words import SPECIALS

SPREAD = 0.1
"""Standard deviation of the embeddings' first entries."""

TINY = 1e-12
"""Least square of a bag's length: a text of unknown words alone is a bag of zeros."""

OVERLAP = ("cosine", "of_first", "of_second", "length_gap")
"""What two texts share, in the order of `WeightedBag.overlap`'s columns."""


class BagSizes(Protocol):
    """The sizes that a weighted bag reads from a student's config."""

    @property
    def vocabulary_size(self) -> int:
        """Rows of the table: words and n-grams."""
        ...

    @property
    def width(self) -> int:
        """Width of an embedding; 0 for none."""
        ...

    @property
    def direct(self) -> int:
        """Columns of a row that are added to the logits as they are: the number of labels, or 0."""
        ...

    @property
    def dropout(self) -> float:
        """Share of a text's features that are dropped in training."""
        ...


class WeightedBag(nn.Module):
    """Words and n-grams, weighed, summed and divided by the length of their weights.

    Args:
        config: Sizes.
    """

    weights: Tensor

    def __init__(self, config: BagSizes) -> None:
        super().__init__()
        self.config = config
        self.width = config.width + config.direct
        self.rows = nn.Parameter(torch.zeros(config.vocabulary_size, self.width))
        nn.init.normal_(self.rows.data[:, : config.width], std=SPREAD)
        self.register_buffer("weights", torch.ones(config.vocabulary_size))
        self.weights[: len(SPECIALS)] = 0.0
        self.rows.data[: len(SPECIALS)] = 0.0

    @property
    def pair_width(self) -> int:
        """Number of features of a pair."""
        return 4 * self.config.width + self.config.direct + len(OVERLAP)

    def word_table(self) -> WordTable:
        """Where the words' vectors are.

        Raises:
            RecipeError: The rows are logits alone.
        """
        if not self.config.width:
            raise RecipeError(
                "A word of 'linear.v1' has logits of its own and no vector, so a word vector cannot be used. "
                "'cbow.v2' and 'dan.v2' have vectors."
            )
        width = self.config.width if self.config.direct else None
        return WordTable(self.rows, width=width, is_weighed=True)

    def row_tables(self) -> list[nn.Parameter]:
        """Tables of which a step changes few rows."""
        return [self.rows]

    def weigh(self, batch: Ragged) -> None:
        """Weigh features by inverse document frequency in some texts: ``ln((1 + n) / (1 + df)) + 1``."""
        texts = len(batch.lengths)
        owner = torch.repeat_interleave(torch.arange(texts), batch.lengths)
        found = torch.unique(owner * len(self.weights) + batch.ids) % len(self.weights)
        counts = torch.bincount(found, minlength=len(self.weights))
        self.weights.copy_(torch.log((1 + texts) / (1 + counts)) + 1)
        self.weights[: len(SPECIALS)] = 0.0

    def silence(self, first: int) -> None:
        """Let the embeddings from a row on begin at zero: random ones of rare n-grams would be noise."""
        self.rows.data[first:, : self.config.width] = 0.0

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, width + direct)``."""
        weights, owner = self._weights(batch), self._owners(batch)
        squares = _sums(weights.square(), owner, len(batch.lengths))
        shares = weights * squares.clamp(min=TINY).rsqrt()[owner]
        is_training = self.training and torch.is_grad_enabled()
        bag: Tensor = F.embedding_bag(
            batch.ids,
            self.rows,
            batch.offsets,
            mode="sum",
            per_sample_weights=shares,
            sparse=is_training,
        )
        return bag

    def compare(self, first: Ragged, second: Ragged) -> Tensor:
        """Features ``(b, 4 · width + direct + 4)`` of pairs: ``[u, v, |u - v|, u * v]``, direct, overlap."""
        one, two = self(first), self(second)
        width = self.config.width
        u, v = one[:, :width], two[:, :width]
        direct = one[:, width:] + two[:, width:]
        return torch.cat([u, v, (u - v).abs(), u * v, direct, self.overlap(first, second)], dim=1)

    def overlap(self, first: Ragged, second: Ragged) -> Tensor:
        """What two texts share ``(b, 4)``, in the order of `OVERLAP`.

        The sum of the squared weights of what stands in both, for each time it does, relative to the two
        bags' lengths (their cosine, where no word stands twice in a text); the share of each one's squared
        weights that stands in the other; and the difference of their lengths relative to both together.
        """
        sides, pairs = (first, second), len(first.lengths)
        owners = [self._owners(side) for side in sides]
        keys = [owner * len(self.weights) + side.ids for owner, side in zip(owners, sides, strict=True)]
        squares = [self.weights[side.ids].square() for side in sides]
        sizes = [_sums(*each, pairs).clamp(min=TINY) for each in zip(squares, owners, strict=True)]

        times = _times(keys[0], keys[1]), _times(keys[1], keys[0])
        cosine = _sums(squares[0] * times[0], owners[0], pairs) * (sizes[0] * sizes[1]).rsqrt()
        shares = [_sums(squares[n] * (times[n] > 0), owners[n], pairs) / sizes[n] for n in (0, 1)]
        one, two = (side.lengths.to(cosine.dtype) for side in sides)
        return torch.stack([cosine, *shares, (one - two).abs() / (one + two)], dim=1)

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:  # noqa: ARG002 - the padding weighs nothing
        """Gather rows that are weighed already, sum, and divide."""
        rows = graph.weight("rows", self.rows * self.weights[:, None])
        (picked,) = graph.add("Gather", [rows, ids])
        (total,) = graph.add("ReduceSum", [picked, self._words(graph)], keepdims=0)
        (size,) = graph.add("Sqrt", [self._squares(graph, ids, keepdims=1)])
        return graph.add("Div", [total, size])[0]

    def compare_graph(self, graph: Graph, first: tuple[str, str], second: tuple[str, str]) -> str:
        """The nodes of `compare`."""
        width = self.config.width
        sizes = graph.weight("bag.parts", np.array([width, self.config.direct]))
        parts = []
        for ids, lengths in (first, second):
            bag = self.graph(graph, ids, lengths)
            parts.append(
                graph.add("Split", [bag, sizes], 2, axis=1) if 0 < width < self.width else [bag, bag]
            )

        features: list[str] = []
        if width:
            u, v = parts[0][0], parts[1][0]
            (distance,) = graph.add("Abs", graph.add("Sub", [u, v]))
            features += [u, v, distance, *graph.add("Mul", [u, v])]
        if self.config.direct:
            features += graph.add("Add", [parts[0][1], parts[1][1]])
        return graph.add("Concat", [*features, self._overlap_graph(graph, first, second)], axis=1)[0]

    def _overlap_graph(self, graph: Graph, first: tuple[str, str], second: tuple[str, str]) -> str:
        """The nodes of `overlap`."""
        last, middle = graph.weight("axis.last", np.array([-1])), graph.weight("axis.middle", np.array([1]))
        table = graph.weight("weights", self.weights)
        weights = [graph.add("Gather", [table, ids])[0] for ids, _ in (first, second)]
        squares = [self._squares(graph, ids, keepdims=1) for ids, _ in (first, second)]

        column = graph.add("Unsqueeze", [first[0], last])[0]
        row = graph.add("Unsqueeze", [second[0], middle])[0]
        (same,) = graph.add("Cast", graph.add("Equal", [column, row]), to=1)

        (one,) = graph.add("Unsqueeze", [weights[0], middle])
        (two,) = graph.add("Unsqueeze", [weights[1], last])
        (product,) = graph.add("MatMul", [graph.add("MatMul", [one, same])[0], two])
        (flat,) = graph.add("Squeeze", [product, last])
        (root,) = graph.add("Sqrt", graph.add("Mul", squares))
        found = graph.add("Div", [flat, root])

        for side, axis in ((0, 2), (1, 1)):
            (shared,) = graph.add("ReduceMax", [same], axes=[axis], keepdims=0)
            (square,) = graph.add("Mul", [weights[side], weights[side]])
            (kept,) = graph.add("Mul", [square, shared])
            (total,) = graph.add("ReduceSum", [kept, self._words(graph)], keepdims=1)
            found += graph.add("Div", [total, squares[side]])
        return graph.add("Concat", [*found, self._gap(graph, first[1], second[1])], axis=1)[0]

    def _gap(self, graph: Graph, first: str, second: str) -> str:
        """``(b, 1)``: the difference of two lengths relative to their sum."""
        sizes = [graph.add("Cast", [name], to=1)[0] for name in (first, second)]
        (distance,) = graph.add("Abs", graph.add("Sub", sizes))
        (share,) = graph.add("Div", [distance, *graph.add("Add", sizes)])
        return graph.add("Unsqueeze", [share, graph.weight("axis.last", np.array([-1]))])[0]

    def _squares(self, graph: Graph, ids: str, *, keepdims: int) -> str:
        """The squared length of each bag, at least `TINY`: ``(b, 1)``."""
        squares = graph.weight("squares", self.weights.square())
        (picked,) = graph.add("Gather", [squares, ids])
        (total,) = graph.add("ReduceSum", [picked, self._words(graph)], keepdims=keepdims)
        return graph.add("Max", [total, graph.weight("tiny", np.array([TINY], dtype=np.float32))])[0]

    def _words(self, graph: Graph) -> str:
        return graph.weight("axis.words", np.array([1]))

    def _weights(self, batch: Ragged) -> Tensor:
        """The weights of a batch's features; in training some are 0."""
        weights = self.weights[batch.ids]
        share = self.config.dropout
        if not self.training or share == 0.0:
            return weights
        return weights * (torch.rand_like(weights) >= share)

    def _owners(self, batch: Ragged) -> Tensor:
        """Number of the text that each id belongs to."""
        return torch.repeat_interleave(torch.arange(len(batch.lengths)), batch.lengths)


def _sums(values: Tensor, owner: Tensor, texts: int) -> Tensor:
    """The sum of each text's values ``(texts,)``."""
    return values.new_zeros(texts).index_add_(0, owner, values)


def _times(keys: Tensor, other: Tensor) -> Tensor:
    """How often each key stands among the others."""
    every, counts = torch.unique(other, return_counts=True)
    at = torch.searchsorted(every, keys).clamp(max=len(every) - 1)
    return torch.where(every[at] == keys, counts[at], 0)


class Bias(nn.Module):
    """The last layer of a model whose rows hold the logits: what is added to their sum.

    Args:
        labels: Number of logits, c.
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.out_features = labels
        self.bias = nn.Parameter(torch.zeros(labels))


@dataclass(frozen=True)
class _Parts:
    """Columns of a head's features: for the hidden layer, for the logits as they are, and the overlap."""

    embedded: int
    direct: int
    overlap: int


class BagHead(nn.Module):
    """What a weighted bag's features say: a hidden layer, the direct path, and for pairs a linear map.

    ``output(relu(hidden([embedded, overlap]))) + direct + shared(overlap)``; parts of size 0 are left out.

    Args:
        features: Columns that `WeightedBag` gives: of a text, or of a pair.
        labels: Number of logits, c.
        config: Sizes of the student.
        hidden: Width of the hidden layer; 0 where the bag has no embedding.
    """

    def __init__(self, features: int, labels: int, config: BagSizes, hidden: int) -> None:
        super().__init__()
        is_pair = features != config.width + config.direct
        overlap = len(OVERLAP) if is_pair else 0
        self.parts = _Parts(features - config.direct - overlap, config.direct, overlap)
        if self.parts.embedded:
            self.hidden = nn.Linear(self.parts.embedded + overlap, hidden)
            self.output: nn.Module = nn.Linear(hidden, labels)
        else:
            self.output = Bias(labels)
        if overlap:
            self.shared = nn.Linear(overlap, labels, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(b, c)``."""
        parts = self.parts
        embedded, direct, overlap = torch.split(
            features, [parts.embedded, parts.direct, parts.overlap], dim=1
        )
        if parts.embedded:
            logits: Tensor = self.output(F.relu(self.hidden(torch.cat([embedded, overlap], dim=1))))
        else:
            logits = cast("Bias", self.output).bias.expand(len(features), -1)
        if parts.direct:
            logits = logits + direct
        return logits + self.shared(overlap) if parts.overlap else logits

    def graph(self, graph: Graph, features: str) -> str:
        """The same as nodes; returns the name of the logits."""
        embedded, direct, overlap = self._split(graph, features)
        terms: list[str] = [direct] if self.parts.direct else []
        if self.parts.embedded:
            read = graph.add("Concat", [embedded, overlap], axis=1)[0] if self.parts.overlap else embedded
            (active,) = graph.add("Relu", [graph.linear(read, self.hidden, "hidden")])
            terms.append(graph.linear(active, cast("nn.Linear", self.output), "output"))
        else:
            terms.append(graph.weight("output.b", cast("Bias", self.output).bias))
        if self.parts.overlap:
            weight = graph.weight("shared.w", self.shared.weight.t())
            terms += graph.add("MatMul", [overlap, weight])

        total, *rest = terms
        for term in rest:
            (total,) = graph.add("Add", [total, term])
        return total

    def _split(self, graph: Graph, features: str) -> list[str]:
        """Names of the three parts; of parts of size 0 the name is not to be used."""
        sizes = [self.parts.embedded, self.parts.direct, self.parts.overlap]
        kept = [size for size in sizes if size]
        if len(kept) == 1:
            return [features] * 3
        names = iter(
            graph.add("Split", [features, graph.weight("head.parts", np.array(kept))], len(kept), axis=1)
        )
        return [next(names) if size else "" for size in sizes]
