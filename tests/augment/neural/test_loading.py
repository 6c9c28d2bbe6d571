import pytest
import torch

from understudy.augment.neural.loading import load, longest, pad
from understudy.errors import RecipeError


def test_a_model_that_is_not_there_is_named(offline, tmp_path):
    with pytest.raises(RecipeError, match=r"'no/such' of the step 'mlm' cannot be loaded as MaskedLM"):
        load("mlm", "MaskedLM", "no/such")
    with pytest.raises(RecipeError, match="cannot be loaded as CausalLM"):
        load("generate", "CausalLM", str(tmp_path))


def test_a_model_of_another_kind_is_refused(seq2seq_folder):
    with pytest.raises(RecipeError, match="cannot be loaded as MaskedLM"):
        load("mlm", "MaskedLM", seq2seq_folder)


def test_padding_stands_to_the_right_or_to_the_left():
    ids, mask = pad([[1, 2], [3]], 9, torch.device("cpu"))
    assert (ids.tolist(), mask.tolist()) == ([[1, 2], [3, 9]], [[1, 1], [1, 0]])
    ids, mask = pad([[1, 2], [3]], 9, torch.device("cpu"), left=True)
    assert (ids.tolist(), mask.tolist()) == ([[1, 2], [9, 3]], [[1, 1], [0, 1]])


def test_a_model_without_a_limit_reads_what_is_asked_for(causal_folder, seq2seq_folder):
    assert longest(load("generate", "CausalLM", causal_folder)[0], 100) == 24
    assert longest(load("back-translate", "Seq2SeqLM", seq2seq_folder)[0], 100) == 100
