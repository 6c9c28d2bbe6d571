"""Heads: from a text's (or word's) features to logits, in torch and as a graph."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.students.layers.onnx_graph import Graph


class LinearHead(nn.Module):
    """Dropout, then one linear map: ``(..., width) -> (..., labels)``.

    Args:
        width: Number of features.
        labels: Number of logits, c.
        dropout: Share of features dropped in training.
    """

    def __init__(self, width: int, labels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, labels)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of features."""
        logits: Tensor = self.output(self.dropout(features))
        return logits

    def graph(self, graph: Graph, features: str) -> str:
        """The same as nodes; returns the name of the logits."""
        return graph.linear(features, self.output, "output")


class HiddenHead(nn.Module):
    """One ReLU layer, then a linear map: ``(..., width) -> (..., labels)``.

    Args:
        width: Number of features.
        hidden: Width of the layer.
        labels: Number of logits, c.
    """

    def __init__(self, width: int, hidden: int, labels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.output = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of features."""
        logits: Tensor = self.output(F.relu(self.hidden(features)))
        return logits

    def graph(self, graph: Graph, features: str) -> str:
        """The same as nodes; returns the name of the logits."""
        (active,) = graph.add("Relu", [graph.linear(features, self.hidden, "hidden")])
        return graph.linear(active, self.output, "output")


class NormHead(nn.Module):
    """Layer norm, then one linear map: ``(..., width) -> (..., labels)``.

    Args:
        width: Number of features.
        labels: Number of logits, c.
    """

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, labels)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of features."""
        logits: Tensor = self.output(self.norm(features))
        return logits

    def graph(self, graph: Graph, features: str) -> str:
        """The same as nodes; returns the name of the logits."""
        return graph.linear(graph.layer_norm(features, self.norm, "head.norm"), self.output, "output")


class NormHiddenHead(nn.Module):
    """One layer with layer norm and ReLU, then a linear map: ``(..., width) -> (..., labels)``.

    Args:
        width: Number of features.
        hidden: Width of the layer.
        labels: Number of logits, c.
    """

    def __init__(self, width: int, hidden: int, labels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.output = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of features."""
        logits: Tensor = self.output(F.relu(self.norm(self.hidden(features))))
        return logits

    def graph(self, graph: Graph, features: str) -> str:
        """The same as nodes; returns the name of the logits."""
        hidden = graph.linear(features, self.hidden, "hidden")
        (active,) = graph.add("Relu", [graph.layer_norm(hidden, self.norm, "head.norm")])
        return graph.linear(active, self.output, "output")


class MatrixConvolutionHead(nn.Module):
    """Filters of 3 x 3 over matrices, the largest value of each, beside vectors; layer norm, a linear map.

    Args:
        texts: 1, or 3 for two texts encoded apart; the features hold that many times what follows.
        labels: Number of logits, c.
        matrices: Number of matrices of a text, the channels of the image.
        size: D, rows and columns of a matrix.
        vector: Width of the vector behind the matrices; 0 for none.
        filters: Number of filters of the convolution.
    """

    def __init__(
        self, texts: int, labels: int, *, matrices: int, size: int, vector: int, filters: int
    ) -> None:
        super().__init__()
        self.texts, self.parts = texts, [matrices * size**2, vector]
        self.image = (texts * matrices, size, size)
        self.vectors = texts * vector
        self.convolution = nn.Conv2d(texts * matrices, filters, kernel_size=3, padding=1)
        self.norm = nn.LayerNorm(filters + self.vectors)
        self.output = nn.Linear(filters + self.vectors, labels)

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(..., c)`` of features ``(..., texts · (matrices · d² + vector))``."""
        texts = features.reshape(-1, self.texts, sum(self.parts))
        matrices, vectors = torch.split(texts, self.parts, dim=2)
        found = F.relu(self.convolution(matrices.reshape(-1, *self.image))).amax(dim=(2, 3))
        logits: Tensor = self.output(self.norm(torch.cat([found, vectors.flatten(1)], dim=1)))
        return logits.reshape(*features.shape[:-1], -1)

    def graph(self, graph: Graph, features: str) -> str:
        """The same as nodes; returns the name of the logits."""

        def reshape(rows: str, *sizes: int) -> str:
            name = graph.weight("sizes." + ".".join(map(str, sizes)), np.array(sizes))
            return graph.add("Reshape", [rows, name])[0]

        texts = reshape(features, -1, self.texts, sum(self.parts))
        widths = graph.weight("head.parts", np.array([width for width in self.parts if width]))
        matrices, *vectors = graph.add("Split", [texts, widths], 2 if self.vectors else 1, axis=2)
        filters, shifts = self.convolution.weight, self.convolution.bias
        weights = [graph.weight("filters.w", filters), graph.weight("filters.b", cast("Tensor", shifts))]
        filtered = graph.add("Conv", [reshape(matrices, -1, *self.image), *weights], pads=[1, 1, 1, 1])
        found = graph.add("ReduceMax", graph.add("Relu", filtered), axes=[2, 3], keepdims=0)
        found += [reshape(each, -1, self.vectors) for each in vectors]
        (joined,) = graph.add("Concat", found, axis=1)
        logits = graph.linear(graph.layer_norm(joined, self.norm, "head.norm"), self.output, "output")
        (leading,) = graph.add("Shape", [features], start=0, end=-1)
        labels = graph.weight("head.labels", np.array([self.output.out_features]))
        return graph.add("Reshape", [logits, *graph.add("Concat", [leading, labels], axis=0)])[0]
