"""LSTMs whose states C follows: the same states and gradients as torch's, of texts of any lengths."""

import copy

import pytest
import torch
from fast_cases import LEVELS
from torch import nn

from understudy.students.layers import recurrence
from understudy.students.layers.lstm import last_states
from understudy.students.layers.ragged import Ragged
from understudy.students.layers.recurrence import every_state

pytest.importorskip("understudy._fast", reason="the C extension was not built")

LENGTHS = [(1, 2, 3, 4, 9, 7, 1), (5,), (6,) * 8, (1,), tuple(range(1, 20))]
READERS = {"last": last_states, "every": every_state}


def draw(lengths=LENGTHS[0], hidden=5, layers=2, width=7, dropout=0.0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lstm = nn.LSTM(width, hidden, layers, bidirectional=True, batch_first=True, dropout=dropout)
        batch = Ragged(torch.zeros(sum(lengths), dtype=torch.int64), torch.tensor(lengths))
        return lstm, torch.randn(sum(lengths), width, requires_grad=True), batch


def answers(read, lstm, states, batch):
    """What a reader finds, and gradients of a weighed sum."""
    found = read(lstm, states, batch)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return found, torch.autograd.grad((found * weights.to(found)).sum(), [states, *lstm.parameters()])


def check(read, lstm, states, batch):
    """Against torch in float64, to what float32 rounds; a gradient sums over words."""
    assert recurrence.why_not(lstm, states) == ""
    exact = copy.deepcopy(lstm).double(), states.detach().double().requires_grad_(), batch
    assert "float32" in recurrence.why_not(*exact[:2])
    (ours, own), (theirs, expected) = answers(read, lstm, states, batch), answers(read, *exact)
    torch.testing.assert_close(ours.double(), theirs, atol=5e-6, rtol=1e-5)
    for one, other in zip(own, expected, strict=True):
        torch.testing.assert_close(one.double(), other, atol=2e-5 * float(other.abs().max()), rtol=1e-4)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("read", READERS)
def test_states_and_gradients_are_those_of_torch(level, lengths, read, monkeypatch):
    monkeypatch.setattr(recurrence, "LEVEL", level)
    check(READERS[read], *draw(lengths))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("hidden", [16, 33, 64, 130])
def test_any_sizes(layers, hidden):
    check(every_state, *draw(hidden=hidden, layers=layers))


@pytest.mark.parametrize("threads", [2, 3, 50])
def test_any_number_of_threads(threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    check(every_state, *draw())


def test_the_way_back_can_be_gone_twice():
    lstm, states, batch = draw()
    total = last_states(lstm, states, batch).square().sum()
    once = torch.autograd.grad(total, [states, *lstm.parameters()], retain_graph=True)
    again = torch.autograd.grad(total, [states, *lstm.parameters()])
    torch.testing.assert_close(once, again)


def test_gradients_of_one_step_share_no_memory():
    """What clips them changes them in place."""
    lstm, states, batch = draw()
    last_states(lstm, states, batch).sum().backward()
    expected = [parameter.grad.clone() for parameter in lstm.parameters()]
    for parameter, before in zip(lstm.parameters(), expected, strict=True):
        parameter.grad.mul_(0)
        before.mul_(0)
        torch.testing.assert_close([each.grad for each in lstm.parameters()], expected)


def test_states_that_need_no_gradient_have_none():
    lstm, states, batch = draw()
    last_states(lstm, states.detach(), batch).sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in lstm.parameters())
    assert states.grad is None


def test_dropout_between_layers_is_for_training_and_follows_the_seed():
    lstm, states, batch = draw(dropout=0.5)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        found = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            found.append(every_state(lstm, states, batch))
        kept = every_state(lstm.eval(), states, batch)
    torch.testing.assert_close(found[0], found[1])
    assert (found[0] - found[2]).abs().max() > 1e-2
    assert (found[0] - kept).abs().max() > 1e-2


def test_what_c_cannot_follow_goes_through_torch(monkeypatch):
    lstm, states, batch = draw()
    assert "one direction" in recurrence.why_not(nn.LSTM(7, 5), states)
    assert "one direction" in recurrence.why_not(nn.LSTM(7, 5, bidirectional=True, bias=False), states)
    assert "one direction" in recurrence.why_not(nn.LSTM(7, 5, bidirectional=True, proj_size=2), states)
    assert "too many units" in recurrence.why_not(nn.LSTM(1, 1025, bidirectional=True), states)
    expected = {name: read(lstm, states, batch) for name, read in READERS.items()}
    monkeypatch.setattr(recurrence, "find_module", lambda _: None)
    assert "was not built" in recurrence.why_not(lstm, states)
    for name, read in READERS.items():
        torch.testing.assert_close(read(lstm, states, batch), expected[name], atol=5e-6, rtol=1e-5)
