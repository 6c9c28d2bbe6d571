"""The script that makes models for `mlm` and `generate` where there is no network."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from understudy.augment import StepContext
from understudy.augment.neural.generate import GenerateConfig, generate
from understudy.augment.neural.mlm import MlmConfig, mlm
from understudy.teachers.loading import quiet

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("language_models", ROOT / "tools" / "language_models.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there for the names in annotations
    spec.loader.exec_module(module)
    module.PIECES, module.LAYERS, module.WIDTH = 300, 1, 64
    return module


@pytest.fixture
def data(tmp_path, sentences):
    """A folder with a labelled set, and files with further texts."""
    folder = tmp_path / "set"
    folder.mkdir()
    for name, texts in (("train", sentences[:40]), ("dev", sentences[40:50]), ("test", sentences[50:])):
        rows = [f"{text}\t{'ab'[number % 2]}\n" for number, text in enumerate(texts)]
        (folder / f"{name}.tsv").write_text("text\tlabel\n" + "".join(rows))
    (tmp_path / "more.txt").write_text("we liked it .\n")
    (tmp_path / "long.txt").write_text("They didn't like it. We really did!\n" + sentences[45] + "\n")
    return folder


def perplexities(printed):
    return [float(line.split("perplexity ")[1].replace(",", "")) for line in printed if "perplexity" in line]


def test_texts_are_those_of_training_and_cut_from_documents_but_not_of_dev(tool, data, sentences):
    more, long = (str(data.parent / name) for name in ("more.txt", "long.txt"))
    train, dev = tool.read(str(data), [more], [long], 100, is_lower=True, seed=0)
    assert train[:41] == [*sentences[:40], "we liked it ."]
    assert sorted(train[41:]) == sorted(["they did n't like it .", "we really did !"])
    assert dev == sentences[40:50]
    few, _ = tool.read(str(data), [more], [long], 1, is_lower=False, seed=0)
    assert len(few) <= 42


def test_of_pairs_both_texts_are_learnt_from(tool):
    assert tool.flat([("a", "b"), ("a", "c")]) == ["a", "b", "c"]


def test_a_causal_model_learns_and_samples(tool, data, tmp_path, capsys, sentences):
    tool.main(tool.Kind.CAUSAL, str(data), tmp_path / "made", steps=60, batch=16)
    before, after = perplexities(capsys.readouterr().out.splitlines())
    assert before > 200
    assert after < 60
    config = GenerateConfig(str(tmp_path / "made"), texts=5, epochs=0)
    assert len([text for part in generate(config, sentences, StepContext()) for text in part]) == 5


def test_a_bare_encoder_gets_a_head_that_knows_the_frequencies(
    tool, data, tmp_path, mlm_folder, capsys, sentences
):
    bare = tmp_path / "bare"
    with quiet():
        transformers.AutoModelForMaskedLM.from_pretrained(mlm_folder).base_model.save_pretrained(bare)
        transformers.AutoTokenizer.from_pretrained(mlm_folder).save_pretrained(bare)
    tool.main(tool.Kind.MASKED, str(data), tmp_path / "made", model=str(bare), steps=30, batch=16)
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("new weights: ") and "bias" in line for line in printed)
    before, after = perplexities(printed)
    assert after < before
    model, tokenizer = load_both(tmp_path / "made")
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    bias = model.get_output_embeddings().bias.detach().numpy()
    often, never = tokenizer.convert_tokens_to_ids([".", "##ness"])
    assert bias[often] > bias[never] + 3
    config = MlmConfig(str(tmp_path / "made"), passes=2)
    assert [text for part in mlm(config, sentences[:4], StepContext()) for text in part]


def test_a_whole_masked_model_keeps_its_head(tool, data, tmp_path, mlm_folder, capsys):
    tool.main(tool.Kind.MASKED, str(data), tmp_path / "made", model=mlm_folder, steps=1, batch=4)
    assert "new weights: none" in capsys.readouterr().out
    (old, _), (new, _) = load_both(mlm_folder), load_both(tmp_path / "made")
    apart = old.get_output_embeddings().bias - new.get_output_embeddings().bias
    assert apart.abs().max().item() < 1e-3


def test_the_same_seed_gives_the_same_weights(tool, data, tmp_path):
    for name in ("one", "two"):
        tool.main(tool.Kind.CAUSAL, str(data), tmp_path / name, steps=3, batch=8)
    one, two = (transformers.AutoModelForCausalLM.from_pretrained(tmp_path / n) for n in ("one", "two"))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_perplexity_of_a_model_that_knows_nothing_is_its_vocabulary(tool):
    tool_learner = tool.Learner(
        None, None, lambda rows, _: (torch.tensor(sum(map(len, rows)) * np.log(50)), sum(map(len, rows)))
    )
    assert tool.perplexity(tool_learner, [[1, 2], [3]]) == pytest.approx(50)


def load_both(folder):
    with quiet():
        model = transformers.AutoModelForMaskedLM.from_pretrained(folder)
        return model, transformers.AutoTokenizer.from_pretrained(folder)
