"""`config.json` is checked when a folder is opened: a hand-made one is refused by its key, on both paths."""

import json
import re
import shutil

import pytest
import torch

from understudy.core.manifest import MANIFEST, file_digest, write_json
from understudy.core.task import Task
from understudy.errors import ArtifactError
from understudy.export.folder import export
from understudy.runtime import load
from understudy.runtime.config_file import INPUT_MODES, read_config
from understudy.runtime.layout import FORMAT, Layout
from understudy.students import build
from understudy.tokenization.encoding import INPUTS
from understudy.tokenization.words import SPECIALS, WordVocabulary
from understudy.training.torch_student import TorchStudent

VOCABULARY = WordVocabulary((*SPECIALS, "good", "bad"))
TASKS = {
    "text": Task(("bad", "good")),
    "tokens": Task(("O", "B-x", "I-x"), kind="tagging"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("students")
    for form, task in TASKS.items():
        name = "cbow.v1" if form == "text" else "bilstm.v1"
        module = build(name, len(task.labels), seed=0, form=form, vocabulary_size=len(VOCABULARY)).eval()
        export(TorchStudent(name, module, VOCABULARY, task), root / form, teacher={}, about={})
    return root


@pytest.fixture(params=["0", "1"])
def copy(request, folders, tmp_path, monkeypatch):
    """A student that a test may change, by the reference path and by the fast one."""
    monkeypatch.setenv("UNDERSTUDY_FAST", request.param)
    return shutil.copytree(folders / "text", tmp_path / "copy")


def rewrite(folder, config):
    """Put another config into a folder, its sums made right."""
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    manifest = json.loads((folder / MANIFEST).read_text())
    facts = {
        "sha256": file_digest(folder / "config.json"),
        "bytes": (folder / "config.json").stat().st_size,
    }
    manifest["files"]["config.json"] = facts
    write_json(folder / MANIFEST, manifest)


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def changed(config, key, value):
    *path, last = key.split(".")
    holder = config
    for part in path:
        holder = holder[part]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return config


ODD = {
    "format": [..., None, "1", True, -1],
    "task": [..., None, [], "classification"],
    "task.labels": [..., None, [], "ab", {"a": 1}, [1, 2], ["a", None], [["a"], ["b"]], [True, False]],
    "task.kind": [None, 3, [], "sorting", "tagging", "regression"],
    "task.metric": [None, 3, "speed"],
    "task.texts": [None, "1", 0, 3, 1.0, True],
    "task.thresholds": ["high", [None], [0.5]],
    "task.bounds": [3, [1], ["a", "b"], [0, 1]],
    "task.later": [1],
    "student": [..., None, [], "cbow.v1"],
    "student.name": [..., None, 3],
    "student.form": [..., None, 3, "words", []],
    "parameters": [..., None, "many", -1, 1.5, True],
    "vocabulary": [..., None, [], "words"],
    "vocabulary.kind": [..., None, 3, "letters"],
    "vocabulary.size": [..., None, "many", -1],
    "teacher": [3, None],
    "onnx": [3, None],
    "quantisation": [3, None],
    "fast": [None, 3, {}, {"fingerprint": 3}],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in ODD.items() for value in values])
def test_an_odd_value_is_refused_by_its_file_and_key(copy, key, value):
    rewrite(copy, changed(config_of(copy), key, value))
    with pytest.raises(ArtifactError, match=re.escape(str(copy / "config.json"))) as caught:
        load(copy)
    assert key.split(".")[0] in str(caught.value)


@pytest.mark.parametrize("labels", [["a"], ["a", "a"], ["a", "b", "c"]])
def test_labels_that_do_not_fit_are_refused(copy, labels):
    rewrite(copy, changed(config_of(copy), "task.labels", labels))
    with pytest.raises(ArtifactError, match=r"label|logits"):
        load(copy)


@pytest.mark.parametrize("form", ["diffcat", "tokens"])
def test_an_input_mode_that_does_not_fit_the_task_is_refused(copy, form):
    rewrite(copy, changed(config_of(copy), "student.form", form))
    with pytest.raises(ArtifactError, match=r"student\.form is .*does not fit a classification task"):
        load(copy)


@pytest.mark.parametrize(
    ("task", "form"),
    [
        ({"kind": "pair", "labels": ["a", "b"], "texts": 2, "metric": "accuracy"}, "diffcat"),
        ({"kind": "tagging", "labels": ["a", "b"], "metric": "accuracy"}, "tokens"),
    ],
)
def test_a_graph_of_another_input_mode_is_refused(folders, tmp_path, monkeypatch, task, form):
    monkeypatch.setenv("UNDERSTUDY_FAST", "0")
    folder = shutil.copytree(folders / "text", tmp_path / "copy")
    rewrite(folder, changed(config_of(folder), "student.form", form) | {"task": task})
    with pytest.raises(ArtifactError, match=r"config\.json does not describe model\.onnx: .*student\.form"):
        load(folder)


@pytest.mark.parametrize("content", ["1" * 5000, "[" * 100_000, '{"format": ' + "9" * 5000 + "}", "", "{"])
def test_what_json_cannot_read_is_refused(copy, content):
    rewrite(copy, content)
    with pytest.raises(ArtifactError, match=r"config\.json is damaged"):
        load(copy)


@pytest.mark.parametrize("content", ["[]", "3", "null", '"x"'])
def test_a_config_that_is_no_object_is_refused(copy, content):
    rewrite(copy, content)
    with pytest.raises(ArtifactError, match=r"config\.json is not that of an exported student"):
        load(copy)


def test_a_config_of_an_older_version_is_read(copy):
    config = config_of(copy)
    for key in ("teacher", "onnx", "quantisation", "versions"):
        del config[key]
    rewrite(copy, config)
    assert load(copy).predict("good") in ("bad", "good")


def test_the_config_that_export_writes_is_taken(folders):
    for form in TASKS:
        assert read_config(Layout(folders / form))["format"] == FORMAT


def test_the_input_modes_are_those_of_the_tokenizers():
    assert set(INPUT_MODES) == set(INPUTS)


@pytest.mark.parametrize("wrong", [None, 3, b"x", ["x"], torch])
def test_what_is_no_folder_is_refused(wrong):
    with pytest.raises(ArtifactError, match=r"load needs the folder of an exported student, but was given"):
        load(wrong)


def test_a_missing_folder_is_named():
    with pytest.raises(ArtifactError, match="There is no folder missing"):
        load("missing")
