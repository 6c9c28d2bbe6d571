"""A bag of words and n-grams, weighed by inverse document frequency and divided by its length.

The form of `linear.v1`, `cbow.v2` and `dan.v2`. Each feature (a word, an n-gram or a part of a word that the
vocabulary names) has a weight and a row of a table. What a text is worth is the sum of its features' rows
times their weights, divided by the Euclidean length of the weights: what tf-idf makes of a text, times a
matrix.
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

AT_ONCE = 5_000
"""Texts whose features are counted at once."""

TINY = 1e-12
"""Least square of a bag's length: a text of unknown words alone is a bag of zeros."""

OVERLAP = ("cosine", "of_first", "of_second", "length_gap")
"""What two texts share, in the order of `WeightedBag.overlap`'s columns."""


class BagSizes(Protocol):
    """The sizes that a weighted bag reads from a student's config."""

    @property
    def vocabulary_size(self) -> int:
        """Rows of the table: words, n-grams and parts of words."""
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
        texts, rows = len(batch.lengths), len(self.weights)
        counts = torch.zeros(rows, dtype=torch.long)
        # By blocks: with parts of words, a hundred thousand texts can have a hundred million features.
        blocks = torch.split(batch.lengths, AT_ONCE)
        sizes = [int(lengths.sum()) for lengths in blocks]
        for lengths, ids in zip(blocks, torch.split(batch.ids, sizes), strict=True):
            owner = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
            counts += torch.bincount(torch.unique(owner * rows + ids) % rows, minlength=rows)
        self.weights.copy_(torch.log((1 + texts) / (1 + counts)) + 1)
        self.weights[: len(SPECIALS)] = 0.0

    def silence(self, first: int) -> None:
        """Let the embeddings from a row on begin at zero: random ones of rare n-grams would be noise."""
        self.rows.data[first:, : self.config.width] = 0.0

    def forward(self, batch: Ragged) -> Tensor:
        """Features ``(b, width + direct)``."""
        return self._bag(batch)

    def _bag(self, batch: Ragged, kept: Tensor | None = None) -> Tensor:
        """Features of all words, or of kept ones ``(sum of lengths,)``, over the length of all."""
        weights, owner = self._weights(batch), self._owners(batch)
        squares = _sums(weights.square(), owner, len(batch.lengths))
        shares = weights * squares.clamp(min=TINY).rsqrt()[owner]
        if kept is not None:
            shares = shares * kept
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
        """Features ``(b, 4 · width + direct + 4)`` of pairs: ``[u, v, |u - v|, u * v]``, direct, overlap.

        The direct part is that of the words that stand in one of the two texts only: what they share says
        nothing of how they differ.
        """
        parts, width = [self.overlap(first, second)], self.config.width
        if self.config.direct:
            alone = [(times == 0).to(self.weights.dtype) for times in self._times(first, second)]
            one, two = self._bag(first, alone[0]), self._bag(second, alone[1])
            parts.insert(0, one[:, width:] + two[:, width:])
        if width:
            u, v = self(first)[:, :width], self(second)[:, :width]
            parts = [u, v, (u - v).abs(), u * v, *parts]
        return torch.cat(parts, dim=1)

    def _times(self, first: Ragged, second: Ragged) -> tuple[Tensor, Tensor]:
        """For each word of one text, how often it stands in the other; of both ``(sum of lengths,)``."""
        keys = [self._owners(side) * len(self.weights) + side.ids for side in (first, second)]
        return _times(keys[0], keys[1]), _times(keys[1], keys[0])

    def overlap(self, first: Ragged, second: Ragged) -> Tensor:
        """What two texts share ``(b, 4)``, in the order of `OVERLAP`.

        The sum of the squared weights of what stands in both, for each time it does, relative to the two
        bags' lengths (their cosine, where no word stands twice in a text); the share of each one's squared
        weights that stands in the other; and the difference of their lengths relative to both together.
        """
        sides, pairs = (first, second), len(first.lengths)
        owners = [self._owners(side) for side in sides]
        squares = [self.weights[side.ids].square() for side in sides]
        sizes = [_sums(*each, pairs).clamp(min=TINY) for each in zip(squares, owners, strict=True)]

        times = self._times(first, second)
        cosine = _sums(squares[0] * times[0], owners[0], pairs) * (sizes[0] * sizes[1]).rsqrt()
        shares = [_sums(squares[n] * (times[n] > 0), owners[n], pairs) / sizes[n] for n in (0, 1)]
        one, two = (side.lengths.to(cosine.dtype) for side in sides)
        return torch.stack([cosine, *shares, (one - two).abs() / (one + two)], dim=1)

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:  # noqa: ARG002 - the padding weighs nothing
        """Gather rows that are weighed already, sum, and divide."""
        (picked,) = graph.add("Gather", [self._rows(graph), ids])
        (total,) = graph.add("ReduceSum", [picked, self._words(graph)], keepdims=0)
        (size,) = graph.add("Sqrt", [self._squares(graph, ids, keepdims=1)])
        return graph.add("Div", [total, size])[0]

    def compare_graph(self, graph: Graph, first: tuple[str, str], second: tuple[str, str]) -> str:
        """The nodes of `compare`."""
        shared = self._shared_graph(graph, first[0], second[0])
        features: list[str] = []
        if self.config.width:
            u, v = (self._column_graph(graph, self.graph(graph, *side), 0) for side in (first, second))
            (distance,) = graph.add("Abs", graph.add("Sub", [u, v]))
            features += [u, v, distance, *graph.add("Mul", [u, v])]
        if self.config.direct:
            sides = zip((first, second), shared[1:], strict=True)
            alone = [self._alone_graph(graph, ids, found) for (ids, _), found in sides]
            features += graph.add("Add", [self._column_graph(graph, each, 1) for each in alone])
        return graph.add("Concat", [*features, self._overlap_graph(graph, first, second, shared)], axis=1)[0]

    def _shared_graph(self, graph: Graph, first: str, second: str) -> tuple[str, str, str]:
        """Which words are the same ``(b, t, u)``, and which of each text stand in the other, all 0 or 1."""
        last, middle = graph.weight("axis.last", np.array([-1])), graph.weight("axis.middle", np.array([1]))
        column, row = graph.add("Unsqueeze", [first, last])[0], graph.add("Unsqueeze", [second, middle])[0]
        (same,) = graph.add("Cast", graph.add("Equal", [column, row]), to=1)
        of_first, of_second = (graph.add("ReduceMax", [same], axes=[axis], keepdims=0)[0] for axis in (2, 1))
        return same, of_first, of_second

    def _alone_graph(self, graph: Graph, ids: str, shared: str) -> str:
        """The bag of the words that do not stand in the other text."""
        (picked,) = graph.add("Gather", [self._rows(graph), ids])
        (alone,) = graph.add("Sub", [graph.weight("one.float", np.array([1], dtype=np.float32)), shared])
        (column,) = graph.add("Unsqueeze", [alone, graph.weight("axis.last", np.array([-1]))])
        (kept,) = graph.add("Mul", [picked, column])
        (total,) = graph.add("ReduceSum", [kept, self._words(graph)], keepdims=0)
        (size,) = graph.add("Sqrt", [self._squares(graph, ids, keepdims=1)])
        return graph.add("Div", [total, size])[0]

    def _column_graph(self, graph: Graph, bag: str, part: int) -> str:
        """The embedding (0) or the direct part (1) of a bag."""
        sizes = np.array([self.config.width, self.config.direct])
        if not sizes.all():
            return bag
        return graph.add("Split", [bag, graph.weight("bag.parts", sizes)], 2, axis=1)[part]

    def _overlap_graph(
        self, graph: Graph, first: tuple[str, str], second: tuple[str, str], shared: tuple[str, str, str]
    ) -> str:
        """The nodes of `overlap`."""
        last, middle = graph.weight("axis.last", np.array([-1])), graph.weight("axis.middle", np.array([1]))
        table = graph.weight("weights", self.weights)
        weights = [graph.add("Gather", [table, ids])[0] for ids, _ in (first, second)]
        squares = [self._squares(graph, ids, keepdims=1) for ids, _ in (first, second)]

        (one,) = graph.add("Unsqueeze", [weights[0], middle])
        (two,) = graph.add("Unsqueeze", [weights[1], last])
        (product,) = graph.add("MatMul", [graph.add("MatMul", [one, shared[0]])[0], two])
        (flat,) = graph.add("Squeeze", [product, last])
        (root,) = graph.add("Sqrt", graph.add("Mul", squares))
        found = graph.add("Div", [flat, root])

        for side in (0, 1):
            (square,) = graph.add("Mul", [weights[side], weights[side]])
            (kept,) = graph.add("Mul", [square, shared[1 + side]])
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

    def _rows(self, graph: Graph) -> str:
        """The rows times their weights."""
        return graph.weight("rows", self.rows * self.weights[:, None])

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
