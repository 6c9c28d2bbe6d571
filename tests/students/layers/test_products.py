"""Products straight from the table: the features and answers of torch."""

import numpy as np
import pytest
import torch
from fast_cases import LEVELS

from understudy.students import build
from understudy.students.layers import products
from understudy.students.layers.ragged import Ragged

pytest.importorskip("understudy._fast", reason="the C extension was not built")

SIZES = {
    "cmow.v1": {"size": 7},
    "hybrid.v1": {"size": 20, "width": 9},
    "bihybrid.v1": {"size": 5, "width": 3},
}
LENGTHS = (1, 2, 3, 30, 1, 8)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


@pytest.fixture(params=SIZES)
def student(request):
    one = build(request.param, 3, seed=0, vocabulary_size=30, **SIZES[request.param]).eval()
    with torch.no_grad():
        one.encoder.embedding.weight.mul_(5)
    return one


@pytest.fixture
def batch():
    ids = torch.randint(1, 30, (sum(LENGTHS),), generator=torch.Generator().manual_seed(0))
    return Ragged(ids, torch.tensor(LENGTHS))


def torch_alone(student, batch, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("understudy.students.cmow.why_not", lambda *_: "torch is asked for")
        return student(batch)


def asked(monkeypatch):
    """How often C was asked."""
    calls, real = [], products.multiply
    monkeypatch.setattr(products, "multiply", lambda *given: (calls.append(1), real(*given)))
    return calls


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("threads", [1, 2, 5])
@torch.no_grad()
def test_answers_are_those_of_torch(student, batch, level, threads, monkeypatch):
    monkeypatch.setattr(products, "LEVEL", level)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    calls = asked(monkeypatch)
    found, expected = student(batch), torch_alone(student, batch, monkeypatch)
    assert len(calls) == threads
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_in_training_torch_multiplies(student, batch, monkeypatch):
    calls = asked(monkeypatch)
    student(batch).sum().backward()  # a gradient is wanted
    assert student.encoder.embedding.weight.grad.abs().max() > 0
    with torch.no_grad():
        student.train()(batch)  # there is dropout
        assert calls == []
        student.encoder.dropout.p = 0.0
        student(batch)
    assert calls == [1]


@torch.no_grad()
def test_what_c_cannot_read_goes_through_torch(student, batch, monkeypatch):
    calls, table = asked(monkeypatch), student.encoder.embedding.weight
    exact = student.double()(batch)
    assert "float32" in products.why_not(table.double(), 5, 0)
    assert "one piece" in products.why_not(torch.zeros(4, 8)[:, ::2], 2, 0)
    assert "too large" in products.why_not(table.float(), 65, 0)
    assert "too large" in products.why_not(table.float(), 5, 4000)
    assert calls == []
    torch.testing.assert_close(student.float()(batch).double(), exact, atol=1e-4, rtol=1e-4)
    assert calls == [1]


@torch.no_grad()
def test_without_the_extension_torch_does_it(student, batch, monkeypatch):
    expected = student(batch)
    monkeypatch.setattr(products, "find_module", lambda _: None)
    assert "was not built" in products.why_not(student.encoder.embedding.weight, 5, 0)
    torch.testing.assert_close(student(batch), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_heads_that_read_matrices_or_states_get_them(batch, monkeypatch):
    for head, count in (("cnn", 1), ("bilstm", 0)):
        one = build("hybrid.v1", 3, seed=0, vocabulary_size=30, size=4, width=3, states=3, head=head).eval()
        calls = asked(monkeypatch)
        found = one(batch)
        assert len(calls) == count
        torch.testing.assert_close(found, torch_alone(one, batch, monkeypatch), atol=1e-4, rtol=1e-4)


def test_numpy_asks_for_what_fits():
    table, features = np.zeros((3, 10), np.float32), np.zeros((1, 10), np.float32)
    table[2, [1, 9]] = 2, 5
    products.multiply(table, np.array([2, 2], np.int32), np.array([2]), features, 3, 1)
    assert features.tolist() == [[1, 4, 0, 0, 1, 0, 0, 0, 1, 5]]
    with pytest.raises(ValueError, match="Rows of 10 numbers do not hold 2 matrices of 3 rows"):
        products.multiply(table, np.array([2, 2], np.int32), np.array([2]), features, 3, 2)
