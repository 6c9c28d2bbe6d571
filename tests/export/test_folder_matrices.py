"""Students of matrices in `model.fast`: the answers of torch, and what goes through ONNX Runtime."""

import json

import numpy as np
import pytest
import torch
from fast_cases import TEXTS

from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.export.folder import beyond_c, export, flat_file
from understudy.export.table_precision import choose_table
from understudy.runtime import load
from understudy.students import build
from understudy.tokenization.wordpiece import train_wordpiece
from understudy.tokenization.words import build_vocabulary
from understudy.training.torch_student import TorchStudent

ITEMS = [text.encode("utf-8", "replace").decode() for text in TEXTS]
SIZES = {
    "cmow.v1": {"size": 28},
    "hybrid.v1": {"size": 20, "width": 40},
    "bihybrid.v1": {"size": 6, "width": 9},
}


def make(name, task=None, pieces=False, **sizes):
    """A student whose layer norm has scales and shifts of its own; it reads a hundred words of a text."""
    vocabulary = (train_wordpiece(ITEMS, 150) if pieces else build_vocabulary(ITEMS, 1000)).cut(100)
    task = task or Task(("bad", "good"))
    module = build(name, len(task.labels), seed=0, vocabulary_size=len(vocabulary), **SIZES[name] | sizes)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in (module.head.norm.weight, module.head.norm.bias):
            parameter.add_(torch.randn(parameter.shape, generator=generator) / 3)
    return TorchStudent(name, module.eval(), vocabulary, task)


def opened(student, folder, **given):
    export(student, folder, teacher={}, about={}, **given)
    model = load(folder)
    if model.fast is None:
        pytest.skip("the C extension was not built")
    return model


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("table", ["float32", "float16", "int8"])
def test_the_folder_holds_one_student(name, head, table, tmp_path, monkeypatch):
    student = make(name, head=head, hidden=30)
    exact = student.logits(ITEMS)
    folder = tmp_path / "s"
    model = opened(student, folder, table=table, dev=(ITEMS, exact.argmax(axis=1)))
    told = json.loads((folder / "config.json").read_text())
    assert "bound" not in told["fast"]
    assert (told["quantisation"]["table"]["moved"] > 0) == (table != "float32")
    assert np.abs(model.logits(ITEMS) - exact).max() <= told["quantisation"]["table"]["moved"] + 1e-4

    monkeypatch.setenv("UNDERSTUDY_FAST", "0")
    portable = load(folder)
    assert portable.fast is None
    np.testing.assert_allclose(portable.logits(ITEMS), model.logits(ITEMS), atol=1e-4)
    shares = np.sort(portable.logits(ITEMS), axis=1)
    is_clear = shares[:, -1] - shares[:, -2] > 1e-3
    one, other = (np.array(each.predict(ITEMS)) for each in (model, portable))
    assert (one == other)[is_clear].all()


@pytest.mark.parametrize("name", SIZES)
def test_pieces_and_numbers(name, tmp_path):
    student = make(name, Task(("score",), kind="regression", bounds=(0.0, 1.0)), pieces=True)
    model = opened(student, tmp_path / "s")
    np.testing.assert_allclose(model.logits(ITEMS), student.logits(ITEMS), atol=1e-4)


@pytest.mark.parametrize("name", SIZES)
def test_auto_rounds_as_far_as_dev_allows(name):
    student = make(name)
    dev = ITEMS, student.logits(ITEMS).argmax(axis=1)
    small, choice = choose_table(student, "auto", dev, is_fast=True)
    assert choice.form == "int8"
    row = small.module.state_dict()["encoder.embedding.weight"]
    assert not torch.equal(row, student.module.state_dict()["encoder.embedding.weight"])
    assert choose_table(small, "int8", dev, is_fast=True)[1].moved < 1e-4  # rounded again it is the same


@pytest.mark.parametrize(
    ("name", "sizes", "why"),
    [
        ("cmow.v1", {"head": "cnn", "filters": 3}, "its head is 'cnn'"),
        ("hybrid.v1", {"head": "bilstm", "states": 3}, "its head is 'bilstm'"),
        ("cmow.v1", {"size": 65}, "65 rows in a word's matrix"),
        ("hybrid.v1", {"width": 2049}, "2,049 numbers in an embedding"),
        ("bihybrid.v1", {"head": "mlp", "hidden": 2049}, "2,049 numbers in its hidden layer"),
    ],
)
def test_what_c_does_not_have_goes_through_onnx_runtime(name, sizes, why, tmp_path):
    student = make(name, **sizes)
    assert why in beyond_c(student)
    assert flat_file(student) is None
    with pytest.raises(RecipeError, match=why):
        choose_table(student, "int8", (ITEMS, [0] * len(ITEMS)), is_fast=False, reason=beyond_c(student))
    export(student, tmp_path / "s", teacher={}, about={})
    model = load(tmp_path / "s")
    assert model.fast is None
    np.testing.assert_allclose(model.logits(ITEMS), student.logits(ITEMS), atol=1e-4)


def test_a_layer_that_is_not_asked_for_has_no_limit():
    assert beyond_c(make("cmow.v1", hidden=5000)) == ""
