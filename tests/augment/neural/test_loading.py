import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
import transformers

from understudy.augment.neural.loading import load, longest, pad, padding_id
from understudy.errors import RecipeError
from understudy.teachers.loading import quiet


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


@pytest.fixture
def copy(mlm_folder, tmp_path):
    """A copy of the tiny masked language model, to be damaged."""
    return Path(shutil.copytree(mlm_folder, tmp_path / "mlm"))


def test_weights_of_another_size_than_the_config_are_refused_in_a_sentence(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "hidden_size": 32}))
    with pytest.raises(RecipeError, match="of the step 'mlm' cannot be loaded as MaskedLM"):
        load("mlm", "MaskedLM", str(copy))


def test_damaged_or_pickled_weights_are_refused_in_a_sentence(copy):
    (copy / "model.safetensors").unlink()
    for content in (b"no weights", pickle.dumps(Path("a"))):
        (copy / "pytorch_model.bin").write_bytes(content)
        with pytest.raises(RecipeError, match="of the step 'mlm' cannot be loaded as MaskedLM"):
            load("mlm", "MaskedLM", str(copy))


def test_code_of_a_model_is_never_run_and_nobody_is_asked(copy, monkeypatch):
    config = json.loads((copy / "config.json").read_text())
    custom = {"model_type": "mine", "auto_map": {"AutoConfig": "own.C", "AutoModelForMaskedLM": "own.M"}}
    (copy / "config.json").write_text(json.dumps({**config, **custom}))
    (copy / "own.py").write_text("raise SystemExit('ran')")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    with pytest.raises(RecipeError, match="brings Python code of its own, which is never run"):
        load("mlm", "MaskedLM", str(copy))


def test_a_tokeniser_of_another_model_is_refused(copy):
    config = transformers.BertConfig(**{**json.loads((copy / "config.json").read_text()), "vocab_size": 20})
    with quiet():
        transformers.BertForMaskedLM(config).save_pretrained(copy)
    with pytest.raises(
        RecipeError, match=r"knows 20 tokens, but its tokeniser makes .* do not belong together"
    ):
        load("mlm", "MaskedLM", str(copy))


def test_a_tokeniser_without_padding_pads_with_its_end_token(causal_folder):
    _, tokenizer = load("generate", "CausalLM", causal_folder)
    number = padding_id(tokenizer)
    tokenizer.pad_token = None
    assert padding_id(tokenizer) == tokenizer.eos_token_id != number
    tokenizer.eos_token = None
    assert padding_id(tokenizer) == 0
