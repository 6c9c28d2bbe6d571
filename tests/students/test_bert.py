import numpy as np
import pytest
import torch

from understudy.errors import RecipeError
from understudy.students import Ragged, build, spec
from understudy.students.registry import count_parameters

SMALL = {"vocabulary_size": 30, "width": 8, "heads": 2, "feed_forward": 12}


@pytest.mark.parametrize(
    ("name", "exact", "published"),
    [
        # d = 128: (30,522 + 516)·d + 2·(4·d·(d + 1) + 512·(2·d + 1) + 5·d) + (d + 1)·d + (d + 1)·2
        ("bert-tiny.v1", 4_386_178, 4.40e6),
        ("bert-mini.v1", 11_171_074, 11.19e6),
        ("bert-small.v1", 28_764_674, 28.81e6),
    ],
)
def test_has_the_published_size(name, exact, published):
    with torch.device("meta"):
        module = spec(name).module(spec(name).config(), 2)
    assert count_parameters(module) == spec(name).parameters(module.config, 2) == exact
    assert exact == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize(("layers", "heads"), [(1, 1), (3, 4)])
def test_onnx_answers_like_torch_at_any_sizes(make, batch_of, logits_of, onnx_of, pooling, layers, heads):
    module = make("bert-tiny.v1", **{**SMALL, "layers": layers, "heads": heads, "pooling": pooling})
    batch = batch_of((7, 1, 22), 30)
    np.testing.assert_allclose(onnx_of(module)(batch), logits_of(module, batch), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["bert-tiny.v1", "bert-mini.v1", "bert-small.v1"])
def test_onnx_answers_like_torch_in_full_size(name, batch_of, logits_of, onnx_of):
    module, batch = build(name, 4, seed=0, vocabulary_size=50).eval(), batch_of((3, 77, 1), 50)
    np.testing.assert_allclose(onnx_of(module)(batch), logits_of(module, batch), atol=1e-5, rtol=1e-5)


def test_first_and_mean_of_a_text_by_hand(make, batch_of):
    batch = batch_of((3, 1), 30)
    features = {}
    for pooling in ("first", "mean"):
        encoder = make("bert-tiny.v1", **SMALL, pooling=pooling).encoder
        with torch.inference_mode():
            every, features[pooling] = encoder.tokens(batch), encoder(batch)
    torch.testing.assert_close(features["first"], every[[0, 3]])
    torch.testing.assert_close(features["mean"], torch.stack([every[:3].mean(dim=0), every[3]]))


def test_reads_word_order(make, logits_of):
    module, lengths = make("bert-tiny.v1", **SMALL), torch.tensor([4])
    one = logits_of(module, Ragged(torch.tensor([3, 4, 5, 6]), lengths))
    other = logits_of(module, Ragged(torch.tensor([6, 5, 4, 3]), lengths))
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"pooling": "max"}, "Unknown pooling 'max'"),
        ({"max_words": 513}, "max_words is 513, but must lie between 1 and 512"),
        ({"max_words": 0}, "max_words is 0"),
        ({"heads": 3}, "3 heads cannot share a width of 128"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, message):
    with pytest.raises(RecipeError, match=message):
        build("bert-tiny.v1", 2, seed=0, **sizes)


@pytest.fixture
def student():
    return build("bert-tiny.v1", 2, seed=0, **SMALL).eval()
