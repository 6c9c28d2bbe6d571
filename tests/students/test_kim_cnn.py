import numpy as np
import pytest
import torch

from understudy.errors import RecipeError
from understudy.students import Ragged, build, spec
from understudy.students.kim_cnn import KimCNNConfig
from understudy.students.registry import count_parameters

NAME = "kim-cnn.v1"


def test_has_620_902_parameters_with_two_labels():
    # 5000·100 + 100·(12·100 + 3) + (300 + 1)·2 = 500,000 + 120,300 + 602
    assert count_parameters(build(NAME, 2, seed=0)) == 620_902
    assert spec(NAME).parameters(KimCNNConfig(), 2) == 620_902


@pytest.fixture
def detector():
    """One filter of each width, that counts words 3 as 1, 10, 100 … by their place in the window."""
    encoder = build(NAME, 2, seed=0, vocabulary_size=5, width=1, filters=1).eval().encoder
    with torch.no_grad():
        encoder.embedding.weight.copy_(torch.tensor([[0], [0], [0], [1], [0.0]]))
        for layer in encoder.filters:
            layer.weight.copy_(10.0 ** torch.arange(layer.weight.shape[2])[None, None])
            layer.bias.zero_()
    return encoder


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([3], [100, 1000, 10_000]),  # a word reaches every place of a window
        ([3, 4], [100, 1000, 10_000]),
        ([3, 3], [110, 1100, 11_000]),
        ([3, 4, 3], [101, 1010, 10_100]),
        ([4, 4, 4, 4, 4, 4], [0, 0, 0]),
    ],
)
def test_features_by_hand(detector, ids, expected):
    beside = [3] * 12
    batch = Ragged(torch.tensor([*ids, *beside]), torch.tensor([len(ids), len(beside)]))
    with torch.inference_mode():
        assert detector(batch)[0].tolist() == expected


def test_windows_without_a_word_are_not_asked(detector):
    with torch.no_grad():
        for layer in detector.filters:
            layer.bias.fill_(7.0)
            layer.weight.mul_(-1)
        alone = detector(Ragged(torch.tensor([3]), torch.tensor([1])))
        beside = detector(Ragged(torch.tensor([3, *[3] * 20]), torch.tensor([1, 20])))
    assert alone[0].tolist() == [6.0, 6.0, 6.0]  # 7 would be the answer to zeros
    assert beside[0].tolist() == [6.0, 6.0, 6.0]


def test_reads_word_order(make, logits_of):
    module, lengths = make(NAME, vocabulary_size=9), torch.tensor([4])
    one = logits_of(module, Ragged(torch.tensor([3, 4, 5, 6]), lengths))
    other = logits_of(module, Ragged(torch.tensor([6, 5, 4, 3]), lengths))
    assert np.abs(one - other).max() > 1e-2


def test_the_second_channel_starts_alike_and_is_never_trained(make):
    module = make(NAME, vocabulary_size=9, channels=2)
    encoder, batch = module.encoder, Ragged(torch.tensor([3, 4, 5]), torch.tensor([3]))
    torch.testing.assert_close(encoder.frozen, encoder.embedding.weight, rtol=0, atol=0)
    start = np.arange(9 * encoder.config.width, dtype=np.float32).reshape(9, -1)
    encoder.word_table().fill(start)
    start[0] = 0
    np.testing.assert_array_equal(encoder.frozen.numpy(), start)
    np.testing.assert_array_equal(encoder.rows().detach().numpy(), np.hstack([start, start]))

    encoder(batch).sum().backward()
    assert encoder.frozen.grad is None
    assert all(parameter.grad is not None for parameter in encoder.parameters() if parameter.requires_grad)


def test_two_channels_are_the_most():
    with pytest.raises(RecipeError, match="channels is 3, but must be 1 or 2"):
        build(NAME, 2, seed=0, vocabulary_size=9, channels=3)
