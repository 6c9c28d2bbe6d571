import numpy as np
import pytest
import torch

from understudy.errors import RecipeError
from understudy.students import Ragged, build, spec
from understudy.students.cmow import CMOWConfig
from understudy.students.registry import count_parameters

NAME = "cmow.v1"


def counted(name, config, labels, form):
    """Parameters of the module, and by formula."""
    with torch.device("meta"):
        module = spec(name).module(config, labels, form)
    return count_parameters(module), spec(name).parameters(config, labels, form)


@pytest.mark.parametrize(
    ("form", "head", "total"),
    [
        # 30,522·784 = 23,929,248, and layer norm 2·784, linear 785·2
        ("text", "linear", 23_932_386),
        # and 2,353·1,000, layer norm 2·1,000, linear 1,001·2, with 2,352 = 3·784
        ("diffcat", "mlp", 26_286_250),
    ],
)
def test_published_totals(form, head, total):
    assert counted(NAME, CMOWConfig(head=head), 2, form) == (total, total)


def test_logits_by_hand():
    module = build(NAME, 2, seed=0, vocabulary_size=5, size=2).eval()
    with torch.no_grad():
        # word 3 is [[1, 2], [0, 1]], word 4 is [[0, 1], [1, 0]]
        module.encoder.embedding.weight.copy_(
            torch.tensor([[0, 0, 0, 0], [9, 9, 9, 9], [9, 9, 9, 9], [0, 2, 0, 0], [-1, 1, 1, -1.0]])
        )
        features = module.encoder(Ragged(torch.tensor([3, 4, 4, 3, 3]), torch.tensor([2, 2, 1])))
        tokens = module.encoder.tokens(Ragged(torch.tensor([3, 4, 4]), torch.tensor([2, 1])))
    assert features.tolist() == [[2, 1, 1, 0], [0, 1, 1, 2], [1, 2, 0, 1]]
    assert tokens.tolist() == [[1, 2, 0, 1], [2, 1, 1, 0], [0, 1, 1, 0]]


def test_a_text_begins_near_the_identity():
    module = build(NAME, 2, seed=0, vocabulary_size=200)
    weight = module.encoder.embedding.weight.detach()[1:]
    assert abs(float(weight.std()) - 0.01) < 1e-3
    assert abs(float(weight.mean())) < 1e-3
    ids = torch.arange(1, 200)
    product = module.eval().encoder(Ragged(ids, torch.tensor([199]))).detach().reshape(28, 28)
    assert (product - torch.eye(28)).abs().max() < 1.0


def test_reads_word_order(make, logits_of):
    module, lengths = make(NAME, vocabulary_size=9), torch.tensor([4])
    one = logits_of(module, Ragged(torch.tensor([3, 4, 5, 6]), lengths))
    other = logits_of(module, Ragged(torch.tensor([6, 5, 4, 3]), lengths))
    assert np.abs(one - other).max() > 1e-3


def test_dropout_acts_on_the_deviation_from_the_identity(batch_of):
    module, batch = build(NAME, 2, seed=0, vocabulary_size=30, size=3, dropout=0.999999), batch_of((4, 2), 30)
    features = module.encoder(batch).detach().numpy()
    np.testing.assert_array_equal(features, np.tile(np.eye(3, dtype=np.float32).ravel(), (2, 1)))
    torch.testing.assert_close(module.eval()(batch), module(batch))  # to a tolerance: products of two calls


def test_the_norm_makes_logits_blind_to_scale(make):
    module = make(NAME, vocabulary_size=9, size=4)
    features = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module.head(10 * features), module.head(features), atol=1e-3, rtol=1e-3)


def test_an_unknown_head_is_refused():
    with pytest.raises(RecipeError, match=r"Unknown head 'liner'. Did you mean 'linear'"):
        build(NAME, 2, seed=0, head="liner")
    with pytest.raises(RecipeError, match="size is 0"):
        CMOWConfig(size=0)


def test_has_the_sizes_of_the_paper():
    config = CMOWConfig()
    assert (config.vocabulary_size, config.size, config.hidden, config.max_words) == (30_522, 28, 1000, 512)
