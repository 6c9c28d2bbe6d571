"""Exported folders of students that read n-grams."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from understudy.core.manifest import verify
from understudy.core.task import Task
from understudy.errors import ArtifactError
from understudy.export.folder import annotate, export
from understudy.runtime import load
from understudy.runtime.layout import Layout
from understudy.students import RaggedTexts, build
from understudy.tokenization.ngrams import NgramVocabulary, build_ngrams
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent

TASK = Task(("bad", "fair", "good"), metric="mcc")
WORDS = ("[PAD]", "[UNK]", "[MASK]", "the", "film", "was", "good", "bad", "not", "quite")
SAID = (
    "the film was good",
    "the film was bad",
    "was the film good",
    "not quite good",
    "the film",
    "quite bad",
)
ASKED = [*SAID, "", "zzz", "the zzz film was", "film the good the was film quite not", "good " * 300]


def with_ngrams(name="linear.v1", seed=0, task=TASK, form="text", **sizes):
    """A student of `WORDS` and their n-grams in `SAID`, with rows that begin at zero drawn."""
    vocabulary = build_ngrams(WordVocabulary(WORDS), SAID * 2, longest=3, most=99)
    sizes = {"vocabulary_size": len(vocabulary), **sizes}
    module = build(name, len(task.labels), seed=seed, form=form, **sizes).eval()
    with torch.no_grad():
        module.encoder.rows[3:].normal_(generator=torch.Generator().manual_seed(seed))
        module.weigh(*[RaggedTexts(*vocabulary.encode_batch(SAID)).take(np.arange(6))] * task.texts)
    return TorchStudent(name, module, vocabulary, task)


def write(folder, one):
    export(one, folder, teacher={}, about={})


@pytest.mark.parametrize("name", ["linear.v1", "dan.v2"])
def test_n_grams_lie_in_the_folder_and_are_read_back(tmp_path, name):
    one = with_ngrams(name)
    write(tmp_path / "s", one)
    assert Layout(tmp_path / "s").ngrams.name in verify(tmp_path / "s")["files"]
    model = load(tmp_path / "s")
    assert model.vocabulary.table.longest == 3
    assert model.config["vocabulary"] == {"kind": "words", "size": len(one.vocabulary)}
    expected = one.logits(ASKED)
    for found in (model.logits(ASKED), model.reference.logits(ASKED)):
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    alone = np.concatenate([model.reference.logits([text]) for text in ASKED])
    np.testing.assert_allclose(alone, expected, atol=1e-5, rtol=1e-5)
    assert np.abs(expected[0] - expected[2]).max() > 0.01  # the same words in another order


@pytest.mark.parametrize("name", ["linear.v1", "cbow.v2", "dan.v2"])
def test_pairs_that_are_compared_are_answered_without_torch(tmp_path, name):
    task = Task(("no", "yes"), "pair")
    one = with_ngrams(name, task=task, form="compare")
    write(tmp_path / "s", one)
    pairs = list(zip(ASKED, reversed(ASKED), strict=True))
    np.testing.assert_allclose(load(tmp_path / "s").logits(pairs), one.logits(pairs), atol=1e-5, rtol=1e-5)


def test_annotate_keeps_n_grams(tmp_path):
    write(tmp_path / "s", with_ngrams())
    before = Layout(tmp_path / "s").ngrams.read_bytes()
    assert annotate(tmp_path / "s", report={"accuracy": 0.5}, card="# Card\n")
    assert Layout(tmp_path / "s").ngrams.read_bytes() == before
    assert "ngrams.npy" in verify(tmp_path / "s")["files"]
    assert load(tmp_path / "s").vocabulary.table.longest == 3


@pytest.mark.parametrize("how", ["missing", "altered"])
def test_n_grams_that_are_missing_or_altered_are_refused_by_name(tmp_path, how):
    write(tmp_path / "s", with_ngrams())
    path = Layout(tmp_path / "s").ngrams
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-4] + bytes([5, 0, 0, 0]))
    with pytest.raises(ArtifactError, match=r"ngrams\.npy"):
        _ = load(tmp_path / "s").vocabulary


def test_a_table_that_the_manifest_does_not_name_is_not_read(tmp_path):
    folder = tmp_path / "s"
    one = with_ngrams("cbow.v2", vocabulary_size=len(WORDS))
    write(folder, replace(one, vocabulary=one.vocabulary.base))
    np.save(Layout(folder).ngrams, np.array([[3, 4]], dtype=np.int32))
    assert isinstance(load(folder).vocabulary, WordVocabulary)


def test_other_n_grams_are_another_model(tmp_path):
    one = with_ngrams()
    pairs = one.vocabulary.table.pairs.copy()
    pairs[-1] = [len(WORDS) - 1, len(WORDS) - 1]
    changed = NgramVocabulary(one.vocabulary.base, pairs)
    write(tmp_path / "one", one)
    write(tmp_path / "other", replace(one, vocabulary=changed))
    write(tmp_path / "same", one)
    prints = [load(tmp_path / name).fingerprint for name in ("one", "same", "other")]
    assert prints[0] == prints[1] != prints[2]
