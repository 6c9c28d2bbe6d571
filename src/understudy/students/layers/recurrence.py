"""Bidirectional LSTM layers over texts of any length, in training: states in C, where there is the extension.

Torch reads a packed batch in many small steps, forward and backward. Most of the arithmetic needs no order:
what enters the gates of all words is one product of two large matrices, and so are, on the way back, the
gradients of weights and of what entered. C does what is left, state after state: a product of the states of
all texts with weights that stay in the processor's cache, and the gates.

Gates are torch's: i, f, g, o (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from understudy.runtime.fast_format import LANES, MOST_UNITS
from understudy.runtime.lstm_format import GATED, GATES
from understudy.students.layers.dropout import drop
from understudy.students.layers.native import LEVEL, find_module, in_parts
from understudy.students.layers.ragged import Ragged, real

FUNCTION = "follow_states"
"""What the C extension must have."""

KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""Parameters of one direction of a layer, as torch names them."""


def every_state(lstm: nn.LSTM, states: Tensor, batch: Ragged) -> Tensor:
    """The last layer's states at every word, both directions side by side: ``(sum of lengths, 2h)``.

    Args:
        lstm: Bidirectional, batch first.
        states: ``(sum of lengths, d)``, what the words enter with.
        batch: Whose lengths say where a text ends.
    """
    if why_not(lstm, states):
        padded, _ = pad_packed_sequence(lstm(packed(states, batch))[0], batch_first=True)
        return padded[real(batch)]
    lengths, by_length = torch.sort(batch.lengths, descending=True)
    starts = batch.offsets[by_length]
    for layer in range(lstm.num_layers):
        if layer:
            states = drop(states, lstm.dropout, is_training=lstm.training)
        weights = [getattr(lstm, f"{kind}_l{layer}{way}") for kind in KINDS for way in ("", "_reverse")]
        states = _Layer.apply(states, starts, lengths, *weights)  # type: ignore[no-untyped-call]
    return states


def packed(states: Tensor, batch: Ragged) -> PackedSequence:
    """The same states ``(sum of lengths, d)`` as torch's LSTMs read them."""
    return pack_padded_sequence(batch.filled(states), batch.lengths, True, enforce_sorted=False)


def why_not(lstm: nn.LSTM, states: Tensor) -> str:
    """Why C cannot follow these states; empty where it can."""
    if find_module(FUNCTION) is None:
        return "the C extension was not built"
    if any(one.device.type != "cpu" or one.dtype != torch.float32 for one in (states, lstm.weight_hh_l0)):
        return "they are not float32 on a CPU"
    if not lstm.bidirectional or not lstm.bias or lstm.proj_size:
        return "it has one direction, no biases, or projections"
    if lstm.hidden_size > MOST_UNITS:
        return "it has too many units"
    return ""


def _joined(weights: Sequence[Tensor], units: int) -> Tensor:
    """Both directions' rows ``(4h, …)`` as ``(8 · units, …)``: zeros follow those of each gate."""
    joined = torch.cat(tuple(weights))
    more = units - len(joined) // (2 * GATES)
    if not more:
        return joined
    gates = torch.unflatten(joined, 0, (2 * GATES, -1))
    return F.pad(gates, (0, 0) * (joined.ndim - 1) + (0, more)).flatten(0, 1)


def _apart(gradient: Tensor, hidden: int) -> tuple[Tensor, ...]:
    """The same back, for both directions."""
    if len(gradient) > 2 * GATES * hidden:
        gradient = torch.unflatten(gradient, 0, (2 * GATES, -1))[:, :hidden].flatten(0, 1)
    return gradient.chunk(2)


@cache
def _order(units: int) -> Tensor:
    """Where each number of `_ahead` is in ``(2, 4 · units, units)``."""
    places = torch.arange(2 * GATES * units**2).view(2, GATES, -1, LANES, units)
    return places.permute(0, 2, 4, 1, 3).flatten()


def _ahead(recurrent: Sequence[Tensor], units: int) -> Tensor:
    """W_hh as states are multiplied with it: ``(2, units / LANES, units, GATED)``."""
    columns = _columns(recurrent, units, units).flatten()
    return columns.index_select(0, _order(units)).view(2, -1, units, GATED)


def _back(recurrent: Sequence[Tensor], units: int) -> Tensor:
    """W_hh as gradients are multiplied with it: ``(2, units / GATED, 4 · units, GATED)``, rounded up."""
    columns = _columns(recurrent, units, units + -units % GATED)
    return columns.view(2, GATES * units, -1, GATED).transpose(1, 2).contiguous()


def _columns(recurrent: Sequence[Tensor], units: int, width: int) -> Tensor:
    """W_hh ``(4h, h)`` of both directions as ``(8 · units, width)``: zeros follow their columns, too."""
    joined = _joined(recurrent, units)
    more = width - joined.shape[1]
    return F.pad(joined, (0, more)) if more else joined


class _Layer(torch.autograd.Function):
    """One layer: what enters ``(words, d)``, texts by falling length, weights → ``(words, 2h)``."""

    @staticmethod
    def forward(ctx: Any, entering: Tensor, starts: Tensor, lengths: Tensor, *weights: Tensor) -> Tensor:
        module = find_module(FUNCTION)
        assert module is not None
        hidden, (texts,), words = weights[2].shape[1], starts.shape, len(entering)
        units = hidden + -hidden % LANES
        enter, recurrent = _joined(weights[:2], units), _ahead(weights[2:4], units)
        gates, biases = entering @ enter.T, _joined(weights[4:6], units) + _joined(weights[6:], units)
        cells, states = torch.empty(words, 2, units), torch.empty(words, 2, units)
        given = starts, lengths, gates, cells, states, recurrent, torch.empty(4, texts, units), biases
        arrays = tuple(each.numpy() for each in given)
        in_parts(lambda first, last: module.follow_states(arrays, units, first, last, LEVEL), 2 * texts)
        ctx.save_for_backward(entering, enter, *given[:5], *weights[2:4])
        return states[:, :, :hidden].reshape(words, 2 * hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        module, (entering, enter, *kept, ahead, back) = find_module(FUNCTION), ctx.saved_tensors
        assert module is not None
        (texts,), (words, _, units), hidden = kept[0].shape, kept[-1].shape, ahead.shape[1]
        of_states = gradients[0].view(words, 2, hidden)
        of_states = F.pad(of_states, (0, units - hidden)) if units > hidden else of_states.contiguous()
        of_gates, before = torch.empty(words, 2 * GATES * units), torch.empty(words, 2, units)
        recurrent, latest = _back((ahead, back), units), torch.empty(2, texts, GATES * units)
        carried, of_cells = torch.zeros(2, recurrent.shape[1], texts, GATED), torch.zeros(2, texts, units)
        given = *kept, recurrent, latest, of_states, of_gates, before, carried, of_cells
        arrays = tuple(each.numpy() for each in given)
        in_parts(lambda first, last: module.return_states(arrays, units, first, last, LEVEL), 2 * texts)

        of_biases = of_gates.sum(dim=0)
        of_recurrent = [of.T @ before[:, way] for way, of in enumerate(of_gates.chunk(2, dim=1))]
        of_weights = (
            *_apart(of_gates.T @ entering, hidden),
            *(each[:, :hidden] for each in _apart(torch.cat(of_recurrent), hidden)),
            *_apart(of_biases, hidden),
            *_apart(of_biases.clone(), hidden),
        )
        return of_gates @ enter if ctx.needs_input_grad[0] else None, None, None, *of_weights
