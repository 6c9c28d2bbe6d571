"""Convolutions and LSTMs in `model.fast`: chosen on dev, bounded or measured, the same as torch's."""

import json

import numpy as np
import pytest
import torch
from fast_cases import TEXTS

from understudy.core.task import Task
from understudy.export.folded import folded, folded_logits
from understudy.export.folder import beyond_c, export
from understudy.export.table_precision import choose_table
from understudy.runtime import load
from understudy.students import build
from understudy.tokenization.words import build_vocabulary
from understudy.training.torch_student import TorchStudent

ITEMS = [text.encode("utf-8", "replace").decode() for text in TEXTS]


SIZES = {"kim-cnn.v1": {"filters": 6}, "bilstm.v1": {"hidden": 6}}


def make(name, **sizes):
    vocabulary = build_vocabulary(ITEMS, 1000)
    module = build(name, 2, seed=0, vocabulary_size=len(vocabulary), width=8, **SIZES[name] | sizes)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(4)
    return TorchStudent(name, module.eval(), vocabulary, Task(("bad", "good")))


@pytest.fixture(params=SIZES)
def student(request):
    return make(request.param)


@pytest.fixture
def dev(student):
    return ITEMS, student.logits(ITEMS).argmax(axis=1)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("kim-cnn.v1", {}),
        ("kim-cnn.v1", {"narrowest": 1}),
        ("kim-cnn.v1", {"narrowest": 2, "widest": 2}),
        ("kim-cnn.v1", {"channels": 2}),
        ("bilstm.v1", {}),
        ("bilstm.v1", {"hidden": 17, "layers": 1}),
        ("bilstm.v1", {"layers": 3}),
    ],
)
def test_products_answer_as_torch_does(name, sizes):
    one = make(name, **sizes)
    np.testing.assert_allclose(folded_logits(one, ITEMS, "float32"), one.logits(ITEMS), atol=1e-4, rtol=1e-4)


def test_int8_is_taken_where_dev_allows_it_and_the_student_stays_as_it_is(student, dev):
    found, choice = choose_table(student, "auto", dev, is_fast=True)
    assert found is student
    assert choice.form == "int8"
    assert "accuracy on dev is 1.0000 against 1.0000 in float32" in choice.why


def test_a_precision_that_loses_is_not_taken(student, dev, monkeypatch):
    real = folded_logits

    def worse(one, items, table):
        return -real(one, items, table) if table == "int8" else real(one, items, table)

    monkeypatch.setattr("understudy.export.table_precision.folded_logits", worse)
    assert choose_table(student, "auto", dev, is_fast=True)[1].form == "float16"


@pytest.mark.parametrize("table", ["float32", "float16", "int8"])
def test_the_folder_answers_within_what_it_states(student, dev, table, tmp_path):
    export(student, tmp_path / "s", teacher={}, about={}, table=table, dev=dev)
    model = load(tmp_path / "s")
    if model.fast is None:
        pytest.skip("the C extension was not built")
    config = json.loads((tmp_path / "s" / "config.json").read_text())
    if student.name == "kim-cnn.v1":
        bound = config["fast"]["bound"]
        assert bound == pytest.approx(folded(student, table).bound)
    else:  # what was measured on these very items; a state may be rounded the other way in C
        assert "bound" not in config["fast"]
        bound = config["quantisation"]["table"]["moved"] * 1.1
        assert (bound > 0) == (table != "float32")
    assert np.abs(model.logits(ITEMS) - student.logits(ITEMS)).max() <= bound + 1e-4
    assert (tmp_path / "s" / "model.onnx").is_file()


@pytest.mark.parametrize(
    ("name", "sizes", "why"),
    [
        ("kim-cnn.v1", {"narrowest": 8, "widest": 9}, "9 words in its widest filters"),
        ("bilstm.v1", {"hidden": 2, "layers": 9}, "9 layers"),
    ],
)
def test_what_is_too_large_goes_through_onnx_runtime(name, sizes, why, tmp_path):
    one = make(name, **sizes)
    assert why in beyond_c(one)
    export(one, tmp_path / "s", teacher={}, about={})
    model = load(tmp_path / "s")
    assert model.fast is None
    np.testing.assert_allclose(model.logits(ITEMS), one.logits(ITEMS), atol=1e-4)
