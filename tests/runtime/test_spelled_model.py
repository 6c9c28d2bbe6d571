"""A saved tagger that reads how words are spelled: its folder has one file more, checked like others."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from understudy.core.manifest import publish, read_manifest
from understudy.core.task import Task
from understudy.errors import ArtifactError
from understudy.export.folder import annotate, export
from understudy.export.int8 import quantise
from understudy.runtime import load
from understudy.students import build
from understudy.tokenization.spelling import Spelling, build_spelling
from understudy.tokenization.words import SPECIALS, WordVocabulary
from understudy.training.torch_student import TorchStudent

WORDS = ["The", "film", "walked", "talked", "1,250", "U.S.", "it"] * 2
TASK = Task(("NOUN", "VERB", "X"), "tagging", metric="accuracy")
SENTENCES = [("The", "FILM", "balked", "."), ("1,9",), ("the",)]


@pytest.fixture(scope="module")
def student():
    spelling = build_spelling(WORDS, 60)
    sizes = {"width": 12, "hidden": 8, "vocabulary_size": 6, "spelling_size": len(spelling)}
    module = build("bilstm.v1:spelling=true", 3, seed=1, form="tokens", **sizes).eval()
    return TorchStudent("bilstm.v1", module, WordVocabulary((*SPECIALS, "the", "film", ".")), TASK, spelling)


@pytest.fixture(scope="module")
def exported(student, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spelled") / "student"
    export(student, folder, teacher={}, about={})
    return folder


def copied(exported, tmp_path, **changed):
    """A copy in which files have another content, with a manifest that fits it; ``None`` leaves one out."""
    folder = tmp_path / "copy"
    with publish(folder, {}) as aside:
        for name in (read_manifest(exported) or {})["files"]:
            content = changed.get(name.partition(".")[0], (exported / name).read_bytes())
            if content is not None:
                (aside / name).write_bytes(content)
    return folder


def test_it_answers_as_torch_does_one_sentence_or_many(student, exported):
    model, expected = load(exported), student.logits(SENTENCES)
    np.testing.assert_allclose(model.logits(SENTENCES), expected, atol=1e-5)
    alone = np.concatenate([model.logits([sentence]) for sentence in SENTENCES])
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    assert json.loads((exported / "config.json").read_text())["onnx"]["inputs"] == [
        "ids",
        "lengths",
        "spelling",
    ]


def test_the_case_of_a_word_counts(exported):
    model = load(exported)
    assert np.abs(model.logits([("the",)]) - model.logits([("The",)])).max() > 1e-4


def test_the_fingerprint_covers_the_spelling(exported, student, tmp_path):
    other = Spelling(student.spelling.known[::-1])
    other.save(tmp_path / "other.json")
    changed = copied(exported, tmp_path, spelling=(tmp_path / "other.json").read_bytes())
    assert load(changed).fingerprint != load(exported).fingerprint
    assert load(copied(exported, tmp_path / "same")).fingerprint == load(exported).fingerprint


def test_a_folder_without_the_file_is_refused(exported, tmp_path):
    with pytest.raises(ArtifactError, match=r"its manifest names no spelling\.json"):
        load(copied(exported, tmp_path, spelling=None))


def test_an_altered_file_is_refused(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "copy")
    (folder / "spelling.json").write_bytes((folder / "spelling.json").read_bytes().replace(b"ked", b"kid"))
    with pytest.raises(ArtifactError, match=r"spelling\.json"):
        load(folder)


def test_a_file_of_another_size_is_refused(exported, student, tmp_path):
    Spelling(student.spelling.known[:-1]).save(tmp_path / "short.json")
    changed = copied(exported, tmp_path, spelling=(tmp_path / "short.json").read_bytes())
    with pytest.raises(ArtifactError, match=r"spelling\.json makes \d+ numbers, but the student"):
        load(changed)


def test_a_report_is_added_without_losing_the_file(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "copy")
    assert annotate(folder, report={"score": 1}, card="# A card")
    assert "spelling.json" in (read_manifest(folder) or {})["files"]
    assert load(folder).fingerprint == load(exported).fingerprint


def test_it_has_an_int8_form(student):
    gold = np.zeros(6, dtype=np.int64)
    graph = student.module.to_onnx().SerializeToString()
    _, decision = quantise(student, graph, "int8", (SENTENCES, gold), is_fast=False)
    assert decision.is_int8
    assert decision.measured.largest_difference < 0.2


def test_it_answers_without_torch(exported):
    code = (
        f"import sys, understudy; model = understudy.load({str(exported)!r}); "
        "print(len(model.predict(('The', 'film')).tags), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]
