"""Heads: from a text's (or word's) features to logits, in torch and as a graph."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from understudy.students.graph import Graph


class LinearHead(nn.Module):
    """Dropout, then one linear map: ``(..., width) -> (..., labels)``.

    Args:
        width: of the features.
        labels: number of logits, c.
        dropout: share of features dropped in training.
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
        width: of the features.
        hidden: width of the layer.
        labels: number of logits, c.
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
