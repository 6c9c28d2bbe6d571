"""Greatest windows by sums of products: the same answers and gradients as torch's convolution."""

import numpy as np
import pytest
import torch
from fast_cases import LEVELS

from understudy.runtime.cnn_format import kernels_of
from understudy.students.layers import windows
from understudy.students.layers.ragged import Ragged

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")

SIZES = [(5, 3, 5), (1, 1, 1), (100, 3, 5), (40, 1, 8), (33, 2, 3), (8, 8, 8)]


def draw(count, narrowest, widest, width=7, lengths=(1, 2, 3, 4, 9, 30, 1)):
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(50, width, generator=generator)
    embedding[0] = 0
    weights = [torch.randn(count, width, k, generator=generator) for k in range(narrowest, widest + 1)]
    ids = torch.randint(1, 50, (sum(lengths),), generator=generator)
    parameters = [each.requires_grad_() for each in (embedding, *weights)]
    return parameters[0], parameters[1:], Ragged(ids, torch.tensor(lengths))


def both_ways(embedding, weights, batch, monkeypatch):
    """Answers and gradients by C, then by torch."""
    found = []
    for is_torch in (False, True):
        if is_torch:
            monkeypatch.setattr(windows, "why_not", lambda *_: "torch is asked for")
        else:
            assert windows.why_not(embedding, weights) == ""
        answers = windows.greatest(embedding, weights, batch)
        weighed = torch.randn(answers.shape, generator=torch.Generator().manual_seed(1))
        found.append((answers, torch.autograd.grad((answers * weighed).sum(), [embedding, *weights])))
    return found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sizes", SIZES)
def test_answers_and_gradients_are_those_of_torch(level, sizes, monkeypatch):
    monkeypatch.setattr(windows, "LEVEL", level)
    (ours, own), (theirs, expected) = both_ways(*draw(*sizes), monkeypatch)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    for one, other in zip(own, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert (own[0][0] == 0).all()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_does_it(threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    (ours, own), (theirs, expected) = both_ways(*draw(20, 3, 5), monkeypatch)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    for one, other in zip(own, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_what_is_not_float32_goes_through_torch():
    embedding, weights, batch = draw(4, 3, 5)
    assert "float32" in windows.why_not(embedding.double(), weights)
    assert "too many filters" in windows.why_not(embedding, [torch.zeros(5000, 7, 3)])
    assert "too many words" in windows.why_not(embedding, [torch.zeros(4, 7, 9)])
    exact = windows.greatest(embedding.double(), [each.double() for each in weights], batch)
    torch.testing.assert_close(
        windows.greatest(embedding, weights, batch).double(), exact, atol=1e-4, rtol=1e-4
    )


def test_without_the_extension_torch_does_it(monkeypatch):
    embedding, weights, batch = draw(4, 3, 5)
    expected = windows.greatest(embedding, weights, batch)
    monkeypatch.setattr(windows, "find_module", lambda _: None)
    assert "was not built" in windows.why_not(embedding, weights)
    torch.testing.assert_close(windows.greatest(embedding, weights, batch), expected, atol=1e-4, rtol=1e-4)


def arrays(texts=2, rows=4, filters=3, width=16):
    padded = len(kernels_of(filters, 3, 5))
    ids, ends = np.array([0, 1, 2, 3, 3]), np.array([2, 5])
    best, places = np.zeros((texts, padded), np.float32), np.zeros((texts, padded), np.int32)
    forward = ids, ends, best, places, np.zeros((rows, 32 * 5), np.float32)
    words, columns = np.zeros((rows, width), np.float32), np.zeros((3 * filters, 5, width), np.float32)
    backward = ids, ends, best, places, best.copy(), words, columns, words.copy(), columns.copy()
    return list(forward), list(backward)


def go(kind, given, sizes=(3, 3, 5)):
    if kind == "forward":
        extension.find_windows(tuple(given), *sizes, 2)
    else:
        extension.return_windows(tuple(given), *sizes, 16, 0, 9, 2)


@pytest.mark.parametrize("kind", ["forward", "backward"])
def test_arrays_that_do_not_fit_are_refused(kind):
    good = dict(zip(("forward", "backward"), arrays(), strict=True))[kind]
    go(kind, good)
    far = (5, 6, 7, 8) if kind == "backward" else ()
    for at, wrong, why in (
        (0, np.array([0, 1, 2, 4, 3]), "row that is not there"),
        (0, np.array([0, -1, 2, 3, 3]), "row that is not there"),
        (1, np.array([2, 6]), "after the last id"),
        (1, np.array([3, 3]), "ends before it begins"),
        (1, np.array([2, 4, 5]), "bytes"),
        *((at, np.zeros((3, 3), np.float32), "bytes|row that") for at in (2, 3, 4, *far)),
    ):
        given = list(good)
        given[at] = wrong
        with pytest.raises(ValueError, match=why):
            go(kind, given)
    with pytest.raises(ValueError, match=r"too many|impossible"):
        go(kind, good, (3, 3, 9))
    with pytest.raises(TypeError, match="tuple of"):
        go(kind, good[:-1])


def test_places_beyond_a_text_lead_nowhere():
    """What backward reads may come from anywhere."""
    _, backward = arrays()
    backward[3][:] = np.random.default_rng(0).integers(-(2**31), 2**31 - 1, backward[3].shape)
    backward[4][:] = 1
    go("backward", backward)
