import numpy as np
import pytest
import torch

from understudy.students import Ragged, build, spec
from understudy.students.cnn import PRESETS, Block, CNNConfig, frequencies, shifts
from understudy.students.registry import count_parameters

NAME = "cnn.v1"
PAPER = {"text": 4.02e6, "tokens": 4.01e6}


@pytest.mark.parametrize("form", ["text", "tokens"])
def test_has_the_papers_size(form):
    # 30,522·128 + 6·128·(5 + 128 + 4) + 2·128 + (128 + 1)·2 = 3,906,816 + 105,216 + 256 + 258
    found = spec(NAME).parameters(CNNConfig(**PRESETS["paper"]), 2, form)
    assert found == 4_012_546
    assert found == pytest.approx(PAPER[form], rel=0.05)


def test_the_small_preset_is_small():
    config = CNNConfig(**PRESETS["small"], vocabulary_size=5000)
    assert spec(NAME).parameters(config, 2) == 565_802
    assert count_parameters(spec(NAME).module(config, 2)) == 565_802


@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(("width", "blocks"), [(8, 1), (5, 3)])
def test_onnx_answers_like_torch_at_any_sizes(make, batch_of, logits_of, onnx_of, kernel, width, blocks):
    module = make(NAME, vocabulary_size=30, width=width, blocks=blocks, kernel=kernel)
    batch = batch_of((7, 1, 22), 30)
    np.testing.assert_allclose(onnx_of(module)(batch), logits_of(module, batch), atol=1e-5, rtol=1e-5)


def test_a_block_by_hand():
    block = Block(width=1, kernel=3, dropout=0.0).eval()
    with torch.no_grad():
        block.norm.weight.zero_()
        block.norm.bias.fill_(1.0)  # so every state enters as 1
        block.depthwise.weight.copy_(torch.tensor([[[1.0, 10.0, 100.0]]]))
        block.depthwise.bias.zero_()
        block.pointwise.weight.fill_(1.0)
        block.pointwise.bias.zero_()
        states, real = torch.tensor([[[5.0], [6.0], [7.0], [8.0]]]), torch.tensor([[[1], [1], [1], [0]]])
        found = block(states, real)
    # windows of 0 1 1 1 0: (0, 1, 1), (1, 1, 1), (1, 1, 0), (1, 0, 0)
    assert found.flatten().tolist() == [5 + 110, 6 + 111, 7 + 11, 8 + 1]


def test_waves_are_sines_and_cosines_of_the_position():
    turn, shift = frequencies(6), shifts(6)
    position = 7
    waves = np.sin(position * turn + shift)
    slower = [1, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3)]
    expected = [f(position * rate) for rate in slower for f in (np.sin, np.cos)]
    np.testing.assert_allclose(waves, expected, atol=1e-6)


def test_reads_word_order_and_place(make, logits_of):
    module = make(NAME, form="tokens", vocabulary_size=9)
    one, two = logits_of(module, Ragged(torch.tensor([3, 3]), torch.tensor([2])))
    assert np.abs(one - two).max() > 1e-2


def test_sees_as_far_as_its_kernels_reach(make, batch_of, logits_of):
    module = make(NAME, form="tokens", vocabulary_size=30, blocks=2, kernel=3)
    batch = batch_of((20,), 30)
    changed = batch.ids.clone()
    changed[10] = (changed[10] + 5) % 27 + 3
    moved = np.abs(logits_of(module, Ragged(changed, batch.lengths)) - logits_of(module, batch)).max(axis=1)
    assert np.flatnonzero(moved > 1e-6).tolist() == [8, 9, 10, 11, 12]


def test_dropout_is_for_training_alone(make, batch_of):
    module, batch = make(NAME, vocabulary_size=30), batch_of((9, 4), 30)
    torch.testing.assert_close(module(batch), module(batch))  # to a tolerance: products of two calls
    module.train()
    assert not torch.equal(module(batch), module(batch))


def test_presets_name_sizes_alone():
    assert all(build(NAME, 2, seed=0, **{**sizes, "vocabulary_size": 9}) for sizes in PRESETS.values())
