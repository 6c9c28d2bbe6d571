import numpy as np
import pytest
import torch

from understudy.errors import RecipeError
from understudy.students.layers import matrix
from understudy.students.layers.matrix import (
    PREFIXES,
    PRODUCTS,
    prefix_graph,
    prefix_products,
    product,
    product_graph,
)
from understudy.students.layers.onnx_graph import Graph

LENGTHS = [1, 2, 3, 4, 5, 7, 8, 13, 17, 31, 32, 33, 100]


def drawn(texts, places, width=6, spread=0.05, seed=0):
    """Matrices near the identity, as students begin with, with gradients."""
    noise = torch.randn(texts, places, width, width, generator=torch.Generator().manual_seed(seed))
    return (torch.eye(width) + spread * noise).requires_grad_()


def by_hand(matrices):
    """Products up to each place in float64, one text and one place at a time."""
    found = np.empty(matrices.shape)
    for text, rows in enumerate(matrices.detach().double().numpy()):
        running = np.eye(rows.shape[-1])
        for place, factor in enumerate(rows):
            running = running @ factor
            found[text, place] = running
    return found


def gradient(matrices, function, weights):
    (found,) = torch.autograd.grad((function(matrices) * weights).sum(), matrices)
    return found.numpy()


def test_product_by_hand():
    shear, swap = torch.tensor([[1, 2], [0, 1.0]]), torch.tensor([[0, 1], [1, 0.0]])
    both = torch.stack([torch.stack([shear, swap]), torch.stack([swap, shear])])
    assert product(both).tolist() == [[[2, 1], [1, 0]], [[0, 1], [1, 2]]]
    assert prefix_products(both)[:, 0].tolist() == [shear.tolist(), swap.tolist()]


@pytest.mark.parametrize("places", LENGTHS)
@pytest.mark.parametrize("algorithm", [None, *PRODUCTS])
def test_products_are_equal(algorithm, places):
    matrices = drawn(3, places)
    found = product(matrices, algorithm=algorithm)
    assert found.shape == (3, 6, 6)
    np.testing.assert_allclose(found.detach().numpy(), by_hand(matrices)[:, -1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("places", LENGTHS)
@pytest.mark.parametrize("algorithm", [None, *PREFIXES])
def test_prefix_products_are_equal(algorithm, places):
    matrices = drawn(3, places)
    found = prefix_products(matrices, algorithm=algorithm)
    assert found.shape == matrices.shape
    np.testing.assert_allclose(found.detach().numpy(), by_hand(matrices), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("places", LENGTHS)
def test_gradients_are_equal(places):
    matrices = drawn(2, places)
    weights = torch.randn(matrices.shape, generator=torch.Generator().manual_seed(1))
    exact = drawn(2, places).detach().double().requires_grad_()
    wanted = gradient(exact, lambda m: product(m, algorithm="loop"), weights[:, 0])
    every = gradient(exact, lambda m: prefix_products(m, algorithm="loop"), weights)
    for name in PRODUCTS:
        found = gradient(matrices, lambda m, name=name: product(m, algorithm=name), weights[:, 0])
        np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=1e-5)
    for name in PREFIXES:
        found = gradient(matrices, lambda m, name=name: prefix_products(m, algorithm=name), weights)
        np.testing.assert_allclose(found, every, atol=1e-5 * np.abs(every).max())
    assert np.abs(wanted).max() > 0.1


@pytest.mark.parametrize("algorithm", [None, *PRODUCTS])
@pytest.mark.parametrize("rows", [1, 2, 6])
@pytest.mark.parametrize("places", [1, 2, 9])
def test_the_leading_rows_alone(algorithm, rows, places):
    matrices = drawn(5, places)
    found = product(matrices, rows=rows, algorithm=algorithm)
    assert found.shape == (5, rows, 6)
    expected = by_hand(matrices)[:, -1, :rows]
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("algorithm", PRODUCTS)
@pytest.mark.parametrize(("places", "filled"), [(1, 2), (3, 4), (5, 8), (5, 33), (16, 17)])
def test_identities_behind_a_text_change_nothing(algorithm, places, filled):
    matrices = drawn(1, places).detach()
    longer = torch.cat([matrices, torch.eye(6).expand(1, filled - places, 6, 6)], dim=1)
    one, other = product(matrices, algorithm=algorithm), product(longer, algorithm=algorithm)
    # A product with an identity is exact, but batches of other sizes may use another kernel for the rest.
    torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("size", [20, 28])
def test_512_words_stay_finite(size):
    found = prefix_products(drawn(2, 512, size, spread=0.01)).detach()
    assert found.isfinite().all()
    assert found[:, -1].abs().max() < 100
    whole = product(drawn(2, 512, size, spread=0.01)).detach()
    np.testing.assert_allclose(found[:, -1], whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "rows", "expected"),
    [
        ((1, 64, 20, 20), None, "tree"),
        ((32, 64, 20, 20), None, "tree"),
        ((256, 64, 20, 20), 11, "tree"),
        ((32, 64, 20, 20), 1, "loop"),
        ((1, 64, 20, 20), 1, "tree"),
    ],
)
def test_the_algorithm_follows_the_batch(monkeypatch, shape, rows, expected):
    asked = []
    spies = {name: lambda matrices, rows, name=name: asked.append(name) for name in PRODUCTS}
    monkeypatch.setattr(matrix, "PRODUCTS", spies)
    product(torch.empty(shape, device="meta"), rows=rows)
    assert asked == [expected]


@pytest.mark.parametrize(
    ("shape", "expected"), [((1, 64, 4, 4), "blocks"), ((1, 8, 4, 4), "loop"), ((32, 64, 4, 4), "loop")]
)
def test_the_prefix_algorithm_follows_the_batch(monkeypatch, shape, expected):
    asked = []
    spies = {name: lambda matrices, name=name: asked.append(name) for name in PREFIXES}
    monkeypatch.setattr(matrix, "PREFIXES", spies)
    prefix_products(torch.empty(shape, device="meta"))
    assert asked == [expected]


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(RecipeError, match=r"Unknown algorithm 'tre'. Did you mean 'tree'"):
        product(drawn(1, 2), algorithm="tre")
    with pytest.raises(RecipeError, match=r"Unknown algorithm 'tree'.*'blocks', 'doubling', 'loop'"):
        prefix_products(drawn(1, 2), algorithm="tree")


@pytest.fixture(scope="module", params=[False, True], ids=["forward", "reversed"])
def graphs(request):
    """Sessions of the product and the prefix products of matrices ``table[ids]``, and the table."""
    import onnxruntime

    table, sessions = drawn(1, 9, width=4, spread=0.2)[0].detach(), []
    for build, flat in ((product_graph, [0, -1]), (prefix_graph, [0, 0, -1])):
        graph = Graph()
        (rows,) = graph.add("Gather", [graph.weight("table", table), "ids"])
        found = build(graph, rows, 4, is_reversed=request.param)
        (logits,) = graph.add("Reshape", [found, graph.weight("flat", np.array(flat))])
        model = graph.finish(logits, 16, [("ids", "lengths")], rank=len(flat))
        content = model.SerializeToString()
        sessions.append(onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]))
    return table, *sessions, request.param


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (3, 5), (32, 17)])
def test_graphs_multiply_like_torch(graphs, shape):
    table, whole, every, is_reversed = graphs
    ids = np.random.default_rng(0).integers(0, 9, shape)
    matrices = table[torch.from_numpy(ids)]
    expected = prefix_products(matrices.flip(1)).flip(1) if is_reversed else prefix_products(matrices)
    feeds = {"ids": ids, "lengths": np.full(shape[0], shape[1])}
    prefixes = every.run(None, feeds)[0].reshape(matrices.shape)
    np.testing.assert_allclose(prefixes, expected, rtol=1e-4, atol=1e-5)
    last = expected[:, 0 if is_reversed else -1]
    np.testing.assert_allclose(whole.run(None, feeds)[0].reshape(last.shape), last, rtol=1e-4, atol=1e-5)
