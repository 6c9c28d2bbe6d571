"""A bidirectional LSTM over states of any length, in torch and as a graph."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from understudy.students.layers.onnx_graph import Graph
from understudy.students.layers.ragged import Ragged
from understudy.students.layers.recurrence import every_state, packed, why_not


def last_states(lstm: nn.LSTM, states: Tensor, batch: Ragged) -> Tensor:
    """``(b, 2h)``: the forward state after the last word, the backward after the first.

    Args:
        lstm: Bidirectional, batch first.
        states: ``(sum of lengths, d)``.
        batch: Whose lengths say where a text ends.
    """
    if why_not(lstm, states):
        _, (last, _) = lstm(packed(states, batch))
        return torch.cat([last[-2], last[-1]], dim=-1)
    ways = every_state(lstm, states, batch).view(-1, lstm.hidden_size)  # two of each word
    ends = torch.stack([batch.offsets + batch.lengths - 1, batch.offsets], dim=1)
    places = (2 * ends + torch.arange(2)).flatten()
    return ways.index_select(0, places).view(-1, 2 * lstm.hidden_size)


def last_states_graph(graph: Graph, lstm: nn.LSTM, states: str, lengths: str) -> str:
    """`last_states` as nodes: names of ``(b, t, d)`` and ``(b,)`` in, name of ``(b, 2h)`` out."""
    _, last = _layers(graph, lstm, states, lengths)
    (rows,) = graph.add("Transpose", [last], perm=[1, 0, 2])
    return graph.add("Reshape", [rows, graph.weight("flat.states", np.array([0, -1]))])[0]


def every_state_graph(graph: Graph, lstm: nn.LSTM, states: str, lengths: str) -> str:
    """`every_state` as nodes: name of ``(b, t, 2h)`` out."""
    steps, _ = _layers(graph, lstm, states, lengths)
    return graph.add("Transpose", [steps], perm=[1, 0, 2])[0]


def count(entering: int, hidden: int, layers: int = 1) -> int:
    """Parameters: ``8h·(input + h + 2)`` a layer, both directions together."""
    total = 0
    for _ in range(layers):
        total += 8 * hidden * (entering + hidden + 2)
        entering = 2 * hidden
    return total


def _layers(graph: Graph, lstm: nn.LSTM, states: str, lengths: str) -> tuple[str, str]:
    """Names of the last layer's states, ``(t, b, 2h)`` at every position and ``(2, b, h)`` at the end.

    ONNX LSTM nodes have ``sequence_lens``, which exporters do not make of a packed sequence.
    """
    (steps,) = graph.add("Transpose", [states], perm=[1, 0, 2])
    (counts,) = graph.add("Cast", [lengths], to=6)
    merge, last = graph.weight("merge.states", np.array([0, 0, -1])), ""
    for layer in range(lstm.num_layers):
        weights = [graph.weight(f"lstm.{layer}.{key}", value) for key, value in _gates(lstm, layer)]
        every, last, _ = graph.add(
            "LSTM",
            [steps, *weights, counts],
            outputs=3,
            hidden_size=lstm.hidden_size,
            direction="bidirectional",
        )
        (aligned,) = graph.add("Transpose", [every], perm=[0, 2, 1, 3])
        (steps,) = graph.add("Reshape", [aligned, merge])

    return steps, last


def _gates(lstm: nn.LSTM, layer: int) -> list[tuple[str, Tensor]]:
    """Both directions' weights with torch's gates (i, f, g, o) put in the order of ONNX (i, o, f, g)."""

    def both(kind: str) -> Tensor:
        names = [f"{kind}_l{layer}{direction}" for direction in ("", "_reverse")]
        return torch.stack([_reordered(getattr(lstm, name)) for name in names])

    bias = torch.cat([both("bias_ih"), both("bias_hh")], dim=1)
    return [("w", both("weight_ih")), ("r", both("weight_hh")), ("b", bias)]


def _reordered(weight: Tensor) -> Tensor:
    enter, forget, update, leave = weight.detach().chunk(4)
    return torch.cat([enter, leave, forget, update])
