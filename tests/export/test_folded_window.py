"""A tagger in `model.fast`: chosen on dev, bounded, and the same student as torch's."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from window_cases import SEEN, SENTENCES, ordered, spelled

from understudy.core.task import Task
from understudy.errors import ArtifactError, DataError
from understudy.export.folded import folded_logits, folded_window
from understudy.export.folder import beyond_c, export, flat_file
from understudy.export.table_precision import choose_table
from understudy.runtime import load
from understudy.runtime.fast_tagger import FastTagger
from understudy.students import build
from understudy.tokenization.spelling import Spelling
from understudy.tokenization.wordpiece import train_wordpiece
from understudy.tokenization.words import build_vocabulary
from understudy.training.torch_student import TorchStudent

TAGS = ("NOUN", "VERB", "X")
ITEMS = [*SENTENCES, ("The", "U.S.", "film", "walked") * 40]
ODD = ("the", "a\0b", "film")


def made(vocabulary=None, task=None, spelling=None, **sizes):
    vocabulary = vocabulary or build_vocabulary(SEEN, 100).cut(64)
    spelling = spelling or (spelled() if sizes.get("spelling", True) else None)
    sizes = {"spelling": True, "width": 12, "hidden": 40, **sizes}
    if spelling is not None:
        sizes["spelling_size"] = len(spelling)
    module = build("window.v1", 3, seed=1, form="tokens", vocabulary_size=len(vocabulary), **sizes)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3)
    return TorchStudent(
        "window.v1", module.eval(), vocabulary, task or Task(TAGS, "tagging", "accuracy"), spelling
    )


@pytest.fixture(scope="module")
def student():
    return made()


@pytest.fixture(scope="module")
def dev(student):
    return ITEMS, student.logits(ITEMS).argmax(axis=1)


@pytest.mark.parametrize("sizes", [{}, {"reach": 0}, {"reach": 4}, {"spelling": False}])
@pytest.mark.parametrize("task", [None, ordered(3)])
def test_rows_answer_as_torch_does(sizes, task):
    one = made(task=task, **sizes)
    np.testing.assert_allclose(folded_logits(one, ITEMS, "float32"), one.logits(ITEMS), atol=1e-4, rtol=1e-4)


def test_int8_is_taken_where_dev_allows_it_and_the_student_stays_as_it_is(student, dev):
    found, choice = choose_table(student, "auto", dev, is_fast=True)
    assert found is student
    assert choice.form == "int8"
    assert "in float32" in choice.why


@pytest.mark.parametrize("task", [None, ordered(3)])
@pytest.mark.parametrize("table", ["float32", "float16", "int8"])
def test_the_folder_answers_as_its_graph_within_the_bound_that_it_states(table, task, dev, tmp_path):
    one = made(task=task)
    export(one, tmp_path / "s", teacher={}, about={}, table=table, dev=dev)
    model = load(tmp_path / "s")
    if model.fast is None:
        pytest.skip("the C extension was not built")
    assert isinstance(model.fast, FastTagger)
    bound = json.loads((tmp_path / "s" / "config.json").read_text())["fast"]["bound"]
    assert bound == pytest.approx(folded_window(one, table).bound)

    slow, found = replace(model, fast=None), model.logits(ITEMS)
    if task is None or table == "float32":  # in order, a word's error reaches others
        assert np.abs(found - one.logits(ITEMS)).max() <= bound + 1e-4
        assert np.abs(found - slow.logits(ITEMS)).max() <= bound + 1e-4
    np.testing.assert_allclose(found, folded_logits(one, ITEMS, table), atol=1e-4, rtol=1e-4)
    assert [tagged.tags for tagged in model.predict(ITEMS)] == tags_of(model, found)
    np.testing.assert_array_equal(model.label_ids(ITEMS), found.argmax(axis=1))
    alone = np.concatenate([model.logits([sentence]) for sentence in ITEMS])
    np.testing.assert_allclose(alone, found, atol=1e-4)
    shares = model.predict_proba(ITEMS)
    assert [len(each) for each in shares] == list(map(len, ITEMS))
    np.testing.assert_allclose(
        model.predict_proba("The film"), model.predict_proba(("The", "film")), atol=1e-6
    )


def tags_of(model, logits):
    names = iter([model.task.labels[column] for column in logits.argmax(axis=1)])
    return [tuple(next(names) for _ in sentence) for sentence in ITEMS]


def test_what_c_leaves_is_answered_by_the_graph(student, tmp_path):
    export(student, tmp_path / "s", teacher={}, about={})
    model = load(tmp_path / "s")
    slow, items = replace(model, fast=None), [*ITEMS[:2], ODD, *ITEMS[2:], ODD]
    np.testing.assert_allclose(model.logits(items), slow.logits(items), atol=1e-4)
    np.testing.assert_array_equal(model.label_ids(items), slow.logits(items).argmax(axis=1))
    for one in (model, slow):
        with pytest.raises(DataError, match="Word 2 of a sentence has 65 pieces"):
            one.label_ids([("the",), ("the", "!" * 65)])
        with pytest.raises(DataError, match="Item 2 must be words"):
            one.logits([("the",), ("film", 3)])
        with pytest.raises(DataError, match="Item 1 must be words"):
            one.predict([b"the film"])


def test_a_file_that_tags_is_not_taken_for_another(student, tmp_path):
    from understudy._fast import Tagger  # noqa: F401

    export(student, tmp_path / "s", teacher={}, about={})
    config = tmp_path / "s" / "config.json"
    facts = json.loads(config.read_text())
    facts["task"]["labels"].append("more")
    with pytest.raises(ArtifactError):
        load(rewritten(tmp_path, config, facts))


def rewritten(tmp_path, config, facts):
    from understudy.core.manifest import publish, read_manifest

    with publish(tmp_path / "t", {}) as aside:
        for name in (read_manifest(config.parent) or {})["files"]:
            (aside / name).write_bytes((config.parent / name).read_bytes())
        (aside / config.name).write_text(json.dumps(facts))
    return tmp_path / "t"


def test_what_c_does_not_hold_goes_through_onnx_runtime(tmp_path):
    far, strange = made(reach=8), made(spelling=Spelling([(8, "a\0b"), (8, "film")]))
    assert "17 words in sight of each, but the C extension holds 15" in beyond_c(far)
    assert "cannot look for" in beyond_c(strange)
    pieces = made(vocabulary=train_wordpiece(SEEN, 60))
    for number, one in enumerate((far, strange, pieces)):
        assert flat_file(one) is None
        export(one, tmp_path / str(number), teacher={}, about={})
        model = load(tmp_path / str(number))
        assert model.fast is None
        np.testing.assert_allclose(model.logits(ITEMS), one.logits(ITEMS), atol=1e-4)
