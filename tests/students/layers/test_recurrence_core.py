"""States of an LSTM layer in C, and the way back, beside plain numpy. `make sanitize` runs it."""

from itertools import pairwise

import numpy as np
import pytest

from understudy.runtime.fast_format import LANES

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")

LEVELS = (0, 1, 2)
WIDE = 4 * LANES


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(entering, recurrent, starts, lengths):
    """States ``(words, 2, u)`` of what enters gates ``(words, 2, 4, u)``; W_hh ``(2, 4 · u, u)``."""
    states = np.zeros((len(entering), 2, entering.shape[3]))
    for start, length in zip(starts, lengths, strict=True):
        for way in range(2):
            state = cell = np.zeros(entering.shape[3])
            for word in (
                range(start, start + length) if way == 0 else range(start + length - 1, start - 1, -1)
            ):
                i, f, g, o = entering[word, way] + (recurrent[way] @ state).reshape(4, -1)
                cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
                state = states[word, way] = sigmoid(o) * np.tanh(cell)
    return states


def slopes(entering, weights, *layer):
    """Gradients of the sum of states times weights, by what enters: differences of float64."""
    found, step = np.zeros_like(entering), 1e-5
    for place in np.ndindex(entering.shape):
        ends = []
        for sign in (1, -1):
            moved = entering.copy()
            moved[place] += sign * step
            ends.append((reference(moved, *layer) * weights).sum())
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


def problem(lengths, units=LANES, seed=0):
    """What enters, W_hh, biases, and texts that lie in another order than that of their lengths."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))
    placed = np.zeros(len(lengths), np.int64)
    placed[order] = np.cumsum(np.array(lengths)[order]) - np.array(lengths)[order]
    entering = rng.normal(0, 1, (sum(lengths), 2, 4, units))
    recurrent = rng.normal(0, units**-0.5, (2, 4 * units, units))
    return entering, recurrent, rng.normal(0, 0.5, (2, 4, units)), placed, np.array(lengths, np.int64)


def single(array):
    return np.ascontiguousarray(array, dtype=np.float32)


def forward(entering, recurrent, biases, starts, lengths):
    """The arrays that C takes, by position."""
    words, units, texts = len(entering), entering.shape[3], len(starts)
    ahead = recurrent.reshape(2, 4, -1, LANES, units).transpose(0, 2, 4, 1, 3)
    cells, states = (np.full((words, 2, units), np.nan, np.float32) for _ in range(2))
    latest = np.full((4, texts, units), np.nan, np.float32)
    return [starts, lengths, single(entering), cells, states, single(ahead), latest, single(biases)]


def backward(there, recurrent, of_states):
    """The same on the way back, after `forward` was followed."""
    (words, _, units), texts, more = there[3].shape, len(there[0]), -recurrent.shape[2] % WIDE
    blocks = np.pad(recurrent, ((0, 0), (0, 0), (0, more))).reshape(2, 4 * units, -1, WIDE)
    of_gates = np.full((words, 2, 4, units), np.nan, np.float32)
    latest, before = (
        np.full(shape, np.nan, np.float32) for shape in ((2, texts, 4 * units), (words, 2, units))
    )
    carried, of_cells = np.zeros((2, blocks.shape[2], texts, WIDE)), np.zeros((2, texts, units))
    back = single(blocks.transpose(0, 2, 1, 3))
    return [*there[:5], back, latest, single(of_states), of_gates, before, single(carried), single(of_cells)]


def parts(texts, cuts):
    bounds = [0, *cuts, 2 * texts]
    return pairwise(bounds)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("lengths", [(1,), (5,), (3, 3, 3, 3), (9, 7, 4, 4, 2, 1, 1), (2,) * 7 + (1,) * 7])
@pytest.mark.parametrize("units", [16, 48, 80])
def test_states_are_those_of_numpy(level, lengths, units):
    entering, recurrent, biases, *texts = problem(lengths, units)
    there = forward(entering, recurrent, biases, *texts)
    extension.follow_states(tuple(there), units, 0, 2 * len(lengths), level)
    expected = reference(entering + biases, recurrent, *texts)
    np.testing.assert_allclose(
        there[4], expected, atol=5e-6
    )  # sums of 80 products and a few roundings a step


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("lengths", "cuts"), [((4, 2, 2, 1), ()), ((4, 2, 2, 1), (1, 3, 6)), ((1,), (1,))])
def test_gradients_are_slopes(level, lengths, cuts):
    entering, recurrent, biases, *texts = problem(lengths)
    weights = np.random.default_rng(1).normal(0, 1, (sum(lengths), 2, LANES))
    there = forward(entering, recurrent, biases, *texts)
    for first, last in parts(len(lengths), cuts):
        extension.follow_states(tuple(there), LANES, first, last, level)
    back = backward(there, recurrent, weights)
    for first, last in parts(len(lengths), cuts):
        extension.return_states(tuple(back), LANES, first, last, level)
    np.testing.assert_allclose(back[8], slopes(entering + biases, weights, recurrent, *texts), atol=2e-5)

    met = np.zeros_like(there[4])
    for start, length in zip(*texts, strict=True):
        met[start + 1 : start + length, 0] = there[4][start : start + length - 1, 0]
        met[start : start + length - 1, 1] = there[4][start + 1 : start + length, 1]
    assert (back[9] == met).all()


@pytest.mark.parametrize("level", LEVELS)
def test_extreme_gates_stay_finite(level):
    entering, recurrent, biases, *texts = problem((3, 2))
    there = forward(np.sign(entering) * 1e30, recurrent, biases, *texts)
    extension.follow_states(tuple(there), LANES, 0, 4, level)
    back = backward(there, recurrent, np.ones((5, 2, LANES)))
    extension.return_states(tuple(back), LANES, 0, 4, level)
    assert all(np.isfinite(each).all() for each in (there[2], there[3], there[4], back[8]))


def good(kind):
    entering, recurrent, biases, *texts = problem((3, 2))
    there = forward(entering, recurrent, biases, *texts)
    extension.follow_states(tuple(there), LANES, 0, 4, 2)
    return there if kind == "follow" else backward(there, recurrent, np.ones((5, 2, LANES)))


@pytest.mark.parametrize("kind", ["follow", "return"])
def test_arrays_that_do_not_fit_are_refused(kind):
    go, arrays = getattr(extension, f"{kind}_states"), good(kind)
    go(tuple(arrays), LANES, 0, 4, 2)
    start, few = arrays[0], np.zeros(3, np.float32)
    for at, wrong, why in (
        (0, start + 1, "not there"),
        (0, start - 1, "not there"),
        (0, np.array([0, 2**62]), "not there"),
        (1, np.array([3, 0]), "empty"),
        (1, np.array([2, 3]), "longer than the one before"),
        (1, np.array([2**62, 1]), "longer than"),
        (1, np.array([3, 2, 1]), "bytes"),
        *((at, few, "bytes|not there") for at in range(2, len(arrays))),
    ):
        given = list(arrays)
        given[at] = wrong
        with pytest.raises(ValueError, match=why):
            go(tuple(given), LANES, 0, 4, 2)
    for units, first, last, why in (
        (15, 0, 4, "units"),
        (0, 0, 4, "units"),
        (1040, 0, 4, "units"),
        (16, 3, 2, "fewer"),
        (16, 0, 5, "fewer"),
    ):
        with pytest.raises(ValueError, match=why):
            go(tuple(arrays), units, first, last, 2)
    with pytest.raises(TypeError, match="tuple of"):
        go(tuple(arrays[:-1]), LANES, 0, 4, 2)
