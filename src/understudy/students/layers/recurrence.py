"""Bidirectional LSTM layers over texts of any length, in training: states in C, where there is the extension.

Torch reads a packed batch in many small steps, forward and backward. Most of the arithmetic needs no order: what
enters the gates of all words is one product of two large matrices, and so are, on the way back, the gradients of
weights and of what entered. C does what is left, state after state: a product of the states of all texts with
weights that stay in the processor's cache, and the gates.

Gates are those of torch: i, f, g, o (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from understudy.runtime.fast import extension
from understudy.runtime.fast_format import LANES, MOST_UNITS
from understudy.runtime.lstm_format import GATED, GATES
from understudy.students.layers.threads import in_parts

LEVEL = 2
"""Highest instruction set that C may use."""


def run(lstm: nn.LSTM, packed: PackedSequence) -> PackedSequence:
    """The last layer's states at every word, both directions side by side: ``(words, 2h)``.

    Args:
        lstm: Bidirectional; what drops states between its layers follows torch's generator.
        packed: What enters, ``(words, d)``.
    """
    if why_not(lstm, packed.data):
        torchs: PackedSequence = lstm(packed)[0]
        return torchs
    states = packed.data
    for layer in range(lstm.num_layers):
        if layer:
            states = F.dropout(states, lstm.dropout, lstm.training)
        weights = [getattr(lstm, f"{kind}_l{layer}{way}") for way in ("", "_reverse") for kind in KINDS]
        states = _Layer.apply(states, packed.batch_sizes, *weights)  # type: ignore[no-untyped-call]
    return packed._replace(data=states)


KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""Parameters of one direction of a layer, as torch names them."""


def why_not(lstm: nn.LSTM, entering: Tensor) -> str:
    """Why C cannot follow these states; empty where it can."""
    if _module() is None:
        return "the C extension was not built"
    if any(each.device.type != "cpu" or each.dtype != torch.float32 for each in (entering, *lstm.parameters())):
        return "they are not float32 on a CPU"
    if not lstm.bidirectional or not lstm.bias or lstm.proj_size:
        return "it has one direction, no biases, or projections"
    if lstm.hidden_size > MOST_UNITS:
        return "it has too many units"
    return ""


@cache
def _module() -> ModuleType | None:
    try:
        found = extension()
    except ImportError:
        return None
    return found if hasattr(found, "follow_states") else None


def _wide(weight: Tensor, units: int) -> Tensor:
    """The rows ``(4h, …)`` of a weight as ``(4 · units, …)``: zeros follow those of each gate."""
    gates = weight.unflatten(0, (GATES, -1))
    more = units - gates.shape[1]
    return F.pad(gates, (0, 0) * (weight.ndim - 1) + (0, more)).flatten(0, 1) if more else weight


def _narrow(gradient: Tensor, hidden: int) -> Tensor:
    """The same back: ``(4h, …)``."""
    return gradient.unflatten(0, (GATES, -1))[:, :hidden].flatten(0, 1)


def _ahead(recurrent: Tensor, units: int) -> Tensor:
    """A direction's W_hh ``(4h, h)`` as states are multiplied with it: ``(units / LANES, units, GATED)``."""
    more = units - recurrent.shape[1]
    wide = F.pad(_wide(recurrent, units), (0, more)).view(GATES, -1, LANES, units)
    return wide.permute(1, 3, 0, 2).reshape(-1, units, GATED)


def _back(recurrent: Tensor, units: int) -> Tensor:
    """The same as gradients of gates are multiplied with it: ``(units / GATED, 4 · units, GATED)``."""
    more = -recurrent.shape[1] % GATED
    wide = F.pad(_wide(recurrent, units), (0, more)).unflatten(1, (-1, GATED))
    return wide.transpose(0, 1).contiguous()


class _Layer(torch.autograd.Function):
    """One layer: what enters ``(words, d)``, words of each step, four weights a direction → ``(words, 2h)``."""

    @staticmethod
    def forward(ctx: Any, entering: Tensor, counts: Tensor, *weights: Tensor) -> Tensor:
        module, words, hidden = _module(), len(entering), weights[1].shape[1]
        assert module is not None
        units, ends = hidden + -hidden % LANES, torch.cumsum(counts, dim=0)
        gates = torch.empty(2, words, GATES * units)
        for way, (enter, _, *biases) in enumerate((weights[:4], weights[4:])):
            bias = _wide(biases[0] + biases[1], units)
            torch.addmm(bias, entering, _wide(enter, units).T, out=gates[way])
        recurrent = torch.stack([_ahead(weights[at], units) for at in (1, 5)])
        cells, states = torch.empty(2, words, units), torch.empty(words, 2, units)
        arrays = tuple(each.numpy() for each in (ends, gates, cells, states, recurrent))
        in_parts(lambda first, last: module.follow_states(arrays, units, first, last, LEVEL), 2 * int(counts[0]))
        ctx.save_for_backward(entering, ends, gates, cells, states, *weights)
        return states[:, :, :hidden].reshape(words, 2 * hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        module, (entering, ends, gates, cells, states, *weights) = _module(), ctx.saved_tensors
        assert module is not None
        (words, _, units), hidden = states.shape, weights[1].shape[1]
        of_states = F.pad(gradients[0].view(words, 2, hidden), (0, units - hidden)).contiguous()
        recurrent = torch.stack([_back(weights[at], units) for at in (1, 5)])
        of_gates, before = torch.empty_like(gates), torch.empty_like(cells)
        carried = torch.zeros(2, recurrent.shape[1], int(ends[0]), GATED)
        of_cells = torch.zeros(2, int(ends[0]), units)
        given = (ends, gates, cells, states, recurrent, of_states, of_gates, before, carried, of_cells)
        arrays = tuple(each.numpy() for each in given)
        in_parts(lambda first, last: module.return_states(arrays, units, first, last, LEVEL), 2 * int(ends[0]))

        found: list[Tensor | None] = []
        of_entering: Tensor | None = None
        for way in range(2):
            of, enter = of_gates[way], _wide(weights[4 * way], units)
            bias = _narrow(of.sum(dim=0), hidden)
            of_recurrent = _narrow(of.T @ before[way], hidden)[:, :hidden]
            found += [_narrow(of.T @ entering, hidden), of_recurrent, bias, bias.clone()]
            if ctx.needs_input_grad[0]:
                of_entering = of @ enter if of_entering is None else of_entering.addmm_(of, enter)
        return of_entering, None, *found
