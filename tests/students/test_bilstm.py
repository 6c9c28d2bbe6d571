import numpy as np
import pytest
import torch

from understudy.students import Ragged, build, spec
from understudy.students.bilstm import BiLSTMConfig
from understudy.students.registry import count_parameters

NAME = "bilstm.v1"


def test_has_684_578_parameters_with_two_labels():
    # 5000·100 + 8·64·(100 + 64 + 2) + 8·64·(128 + 64 + 2) + (128 + 1)·2 = 500,000 + 84,992 + 99,328 + 258
    assert count_parameters(build(NAME, 2, seed=0)) == 684_578
    assert spec(NAME).parameters(BiLSTMConfig(), 2) == 684_578


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("width", "hidden"), [(5, 3), (4, 8)])
def test_formula_holds_for_any_sizes(layers, width, hidden):
    config = BiLSTMConfig(20, width, hidden, layers)
    assert count_parameters(spec(NAME).module(config, 4)) == spec(NAME).parameters(config, 4)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_onnx_answers_like_torch_with_any_number_of_layers(make, batch_of, logits_of, onnx_of, layers):
    module = make(NAME, 4, vocabulary_size=30, width=6, hidden=5, layers=layers)
    batch = batch_of((7, 1, 22), 30)
    expected = logits_of(module, batch)
    np.testing.assert_allclose(onnx_of(module)(batch), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 0.05


def test_reads_word_order(make, logits_of):
    module, lengths = make(NAME, vocabulary_size=9), torch.tensor([4])
    one = logits_of(module, Ragged(torch.tensor([3, 4, 5, 6]), lengths))
    other = logits_of(module, Ragged(torch.tensor([6, 5, 4, 3]), lengths))
    assert np.abs(one - other).max() > 1e-2


@pytest.mark.parametrize("place", [0, 59])
def test_both_ends_of_a_text_reach_the_answer(make, batch_of, logits_of, place):
    module, batch = make(NAME, vocabulary_size=30), batch_of((60,), 30)
    changed = batch.ids.clone()
    changed[place] = (changed[place] + 5) % 27 + 3
    other = logits_of(module, Ragged(changed, batch.lengths))
    assert np.abs(other - logits_of(module, batch)).max() > 1e-3


def test_dropout_is_for_training_alone(make, batch_of):
    module, batch = make(NAME, vocabulary_size=30), batch_of((9, 4), 30)
    torch.testing.assert_close(module(batch), module(batch))  # to a tolerance: products of two calls
    module.train()
    assert not torch.equal(module(batch), module(batch))


def test_one_layer_has_no_dropout_between_layers():
    assert build(NAME, 2, seed=0, layers=1, vocabulary_size=9).encoder.lstm.dropout == 0.0
    assert build(NAME, 2, seed=0, dropout=0.3, vocabulary_size=9).encoder.lstm.dropout == 0.3


def test_cuts_long_texts():
    assert BiLSTMConfig().max_words == 512


def test_a_words_features_are_both_directions_states(make, batch_of):
    encoder, batch = make(NAME, vocabulary_size=30, hidden=6).encoder, batch_of((4, 1, 9), 30)
    last = batch.offsets + batch.lengths - 1
    with torch.inference_mode():
        words, texts = encoder.tokens(batch), encoder(batch)
    assert words.shape == (14, 12)
    torch.testing.assert_close(texts, torch.cat([words[last, :6], words[batch.offsets, 6:]], dim=1))
