"""A student: an encoder that makes features of texts, and a head that makes logits of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged
from understudy.tokenization.encoding import INPUTS
from understudy.tokenization.spelling import KINDS

if TYPE_CHECKING:
    import onnx

FEATURES = {"text": 1, "diffcat": 3, "compare": 4, "tokens": 1}
"""How many times the encoder's width a head reads, by form: see `understudy.tokenization.encoding.INPUTS`."""


class Encoder(Protocol):
    """What an architecture provides: features of texts, in torch and as a graph."""

    config: Any

    @property
    def width(self) -> int:
        """Number of features."""
        ...

    def __call__(self, batch: Ragged) -> Tensor:
        """Features ``(b, width)`` of a batch of texts."""
        ...

    def graph(self, graph: Graph, ids: str, lengths: str) -> str:
        """The same as nodes: names of ``(b, t)`` ids and ``(b,)`` lengths in, name of the features out."""
        ...


class ComparingEncoder(Encoder, Protocol):
    """An encoder that reads two texts together: the form ``compare``."""

    def compare(self, first: Ragged, second: Ragged) -> Tensor:
        """Features of pairs."""
        ...

    def compare_graph(self, graph: Graph, first: tuple[str, str], second: tuple[str, str]) -> str:
        """The same as nodes: names of ids and lengths of each text in, name of the features out."""
        ...


@runtime_checkable
class WeighingEncoder(Encoder, Protocol):
    """An encoder whose first weights depend on how frequent words are in texts."""

    def weigh(self, batch: Ragged) -> None:
        """Change the first weights in place, before the first step."""
        ...


class Network(nn.Module):
    """An encoder and a head, put together in a form.

    Args:
        encoder: An `Encoder`.
        head: Features ``(..., FEATURES[form] · width)`` → logits ``(..., c)``; `heads` has such.
        form: How it reads texts, one of `understudy.tokenization.encoding.INPUTS`.
    """

    def __init__(self, encoder: Any, head: Any, form: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.form = form

    @property
    def config(self) -> Any:
        """The encoder's sizes."""
        return self.encoder.config

    @property
    def is_spelled(self) -> bool:
        """Whether it reads how words are spelled."""
        return bool(getattr(self.config, "spelling", False))

    def forward(self, *batches: Ragged) -> Tensor:
        """Logits ``(b, c)`` of one batch of texts, or of two batches whose rows are pairs.

        In the form ``tokens``: ``(sum of lengths, c)``.
        """
        if self.form == "tokens":
            tagged: Tensor = self.head(self.encoder.tokens(*batches))
            return tagged
        if self.form == "compare":
            compared: Tensor = self.head(self.encoder.compare(*batches))
            return compared
        features = [self.encoder(batch) for batch in batches]
        logits: Tensor = self.head(_combine(features))
        return logits

    def row_tables(self) -> list[nn.Parameter]:
        """Tables of which a step changes few rows, and whose gradients are sparse."""
        return self.encoder.row_tables() if hasattr(self.encoder, "row_tables") else []

    def weigh(self, *batches: Ragged) -> None:
        """Let an encoder that weighs words by frequency see texts of its transfer set; others do nothing."""
        if isinstance(self.encoder, WeighingEncoder):
            ids, lengths = ([getattr(batch, name) for batch in batches] for name in ("ids", "lengths"))
            self.encoder.weigh(Ragged(torch.cat(ids), torch.cat(lengths)))

    def to_onnx(self) -> onnx.ModelProto:
        """The same function as a graph with the inputs of its form, any batch, any lengths."""
        graph = Graph()
        names = INPUTS[self.form]
        if self.form == "tokens":
            every = self.encoder.token_graph(graph, *names[0])
            logits, labels = self.head.graph(graph, every), self.head.output.out_features
            return graph.finish(logits, labels, names, rank=3, kinds=len(KINDS) if self.is_spelled else 0)
        if self.form == "compare":
            features = [self.encoder.compare_graph(graph, *names)]
        else:
            features = [self.encoder.graph(graph, ids, lengths) for ids, lengths in names]
        if len(features) == 2:
            (difference,) = graph.add("Sub", features)
            (distance,) = graph.add("Abs", [difference])
            features = graph.add("Concat", [*features, distance], axis=-1)
        logits = self.head.graph(graph, features[0])
        return graph.finish(logits, self.head.output.out_features, names)


def features_of(encoder: Any, form: str) -> int:
    """Number of features that a head reads."""
    if form == "compare":
        return int(encoder.pair_width)
    return FEATURES[form] * int(encoder.token_width if form == "tokens" else encoder.width)


def _combine(features: Sequence[Tensor]) -> Tensor:
    """``[u, v, |u - v|]`` for two texts (Conneau et al. 2017), the features themselves for one."""
    if len(features) == 1:
        return features[0]
    one, two = features
    return torch.cat([one, two, (one - two).abs()], dim=-1)
