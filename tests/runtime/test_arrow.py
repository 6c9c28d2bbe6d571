"""Models are asked with Arrow arrays: made by hand, by pyarrow, and by pandas."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from arrow_cases import HandMade, HandMadeStream

from understudy.core.task import Task
from understudy.errors import DataError
from understudy.export.folder import export
from understudy.runtime import load
from understudy.runtime.arrow import arrow_texts
from understudy.runtime.fast import SWITCH
from understudy.runtime.given import as_sequence
from understudy.students import build
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent

pytest.importorskip("understudy._fast", reason="the C extension was not built")

WORDS = ("[PAD]", "[UNK]", "[MASK]", *(f"word{n}" for n in range(40)))
TEXTS = [f"word{n} word{n * 7 % 40} zebra é" for n in range(40)] + ["", "word1 " * 50]
TASKS = {
    "classification": Task(("bad", "fair", "good")),
    "multilabel": Task(("bad", "fair", "good"), kind="multilabel"),
    "tagging": Task(("O", "B-x", "I-x"), kind="tagging"),
}
LAYOUTS = ("u", "U", "vu")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("students")
    found = {}
    for kind, task in TASKS.items():
        name = "bilstm.v1" if kind == "tagging" else "cbow.v1"
        form = {"form": "tokens"} if kind == "tagging" else {"width": 12, "hidden": 8}
        module = build(name, 3, seed=0, vocabulary_size=len(WORDS), **form).eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(3)
        export(TorchStudent(name, module, WordVocabulary(WORDS), task), root / kind, teacher={}, about={})
        found[kind] = load(root / kind)
    return found


@pytest.fixture(params=["", "by the reference path"])
def model(request, models):
    model = models["classification"]
    return replace(model, fast=None) if request.param else model


def assert_alike(model, given, texts):
    """Each method answers an array as it answers a list."""
    assert model.predict(given()) == model.predict(texts)
    columns = model.label_ids(given())
    assert columns.dtype == np.int64
    np.testing.assert_array_equal(columns, model.label_ids(texts))
    # Another call of ONNX Runtime may add up in another order.
    np.testing.assert_allclose(model.logits(given()), model.logits(texts), atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(given()), model.predict_proba(texts), atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_are_answered_like_lists(model, layout):
    assert len(set(model.predict(TEXTS))) > 1
    assert_alike(model, lambda: HandMade(TEXTS, layout), TEXTS)
    assert_alike(model, lambda: HandMade(["hidden", *TEXTS], layout, hidden=1), TEXTS)
    assert_alike(model, lambda: HandMadeStream([TEXTS[:5], [], TEXTS[5:]], layout), TEXTS)
    assert_alike(model, lambda: HandMade(TEXTS[:1], layout), TEXTS[:1])
    assert_alike(model, lambda: HandMade([], layout), [])


def test_other_tasks_are_asked_with_arrays(models):
    for kind in ("multilabel", "tagging"):
        model = models[kind]
        answers = model.predict(TEXTS)
        assert model.predict(HandMade(TEXTS)) == answers
        np.testing.assert_allclose(model.logits(HandMade(TEXTS)), model.logits(TEXTS), atol=1e-6)


@pytest.mark.parametrize(("wrong", "shown"), [(None, "None"), (b"a\xff", r"b'a\xff'")])
def test_what_is_no_text_is_named_as_in_a_list(model, wrong, shown):
    message = re.escape(f"Item 2 must be a text for this classification task, but is {shown}")
    for ask in (model.predict, model.predict_proba, model.logits, model.label_ids):
        for given in (HandMade(["word1", wrong]), HandMadeStream([["word1"], [wrong]], "vu")):
            with pytest.raises(DataError, match=message):
                ask(given)


def test_what_cannot_be_read_is_refused_with_the_cure(model):
    for ask in (model.predict, model.predict_proba, model.logits, model.label_ids):
        with pytest.raises(DataError, match=r"has the format 'i'\. Cast it to strings\."):
            ask(HandMade(["a"], "i"))
        with pytest.raises(DataError, match=r"encoded by a dictionary\. Cast it to strings\."):
            ask(HandMade(["a"], schema={"dictionary": 8}))
        with pytest.raises(DataError, match=r"cannot be read.*negative length"):
            ask(HandMade(["a"], length=-1))
        with pytest.raises(DataError, match=r"cannot be read.*failed with code 5: the disk is gone"):
            ask(HandMadeStream([["a"]], code=5))


class Listed(HandMade):
    """An array that can list its items, too."""

    def to_pylist(self):
        return TEXTS


class Failing(Listed):
    def __arrow_c_array__(self, requested_schema=None):
        raise NotImplementedError


def test_what_is_not_read_in_place_is_listed(model, monkeypatch):
    assert list(arrow_texts(Listed(TEXTS))) == TEXTS
    assert arrow_texts(Listed(TEXTS, "i")) is arrow_texts(Failing(TEXTS)) is arrow_texts(TEXTS) is None
    assert_alike(model, lambda: Listed(TEXTS, "i"), TEXTS)
    assert_alike(model, lambda: Failing(TEXTS), TEXTS)
    monkeypatch.setenv(SWITCH, "0")
    assert arrow_texts(Listed(TEXTS)) is None
    assert as_sequence(Listed(["other"])) == TEXTS


def test_an_export_that_fails_is_not_hidden(model):
    class Broken:
        def __arrow_c_stream__(self, requested_schema=None):
            raise ValueError("it is closed")

    with pytest.raises(ValueError, match="it is closed"):
        model.predict(Broken())


# ------------------------------------------------------------------------------------------------- libraries


def test_arrays_of_pyarrow(model):
    pa = pytest.importorskip("pyarrow")
    arrays = [pa.array(TEXTS, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())]
    for array in arrays:
        assert arrow_texts(array) is not None
        assert_alike(model, lambda array=array: array, TEXTS)
        assert_alike(model, lambda array=array: array[3:17], TEXTS[3:17])
        assert_alike(model, lambda array=array: array[5:5], [])
        chunked = pa.chunked_array([array[:7], array[7:7], array[7:]])
        assert arrow_texts(chunked) is not None
        assert_alike(model, lambda chunked=chunked: chunked, TEXTS)
        assert_alike(model, lambda chunked=chunked: chunked[6:20], TEXTS[6:20])
        with pytest.raises(DataError, match=r"Item 3 must be a text .* but is None"):
            model.predict(pa.array(["a", "b", None], array.type))
    assert_alike(model, lambda: pa.array([], pa.string()), [])
    assert_alike(model, lambda: pa.chunked_array([], pa.string()), [])
    table = pa.table({"text": arrays[0]})
    assert_alike(model, lambda: table["text"], TEXTS)
    with pytest.raises(DataError, match="a Table was given"):
        model.predict(table)


def test_arrays_of_pyarrow_that_are_listed(model):
    pa = pytest.importorskip("pyarrow")
    encoded = pa.array(TEXTS).dictionary_encode()
    assert arrow_texts(encoded) is None
    assert_alike(model, lambda: encoded, TEXTS)
    assert_alike(model, lambda: pa.chunked_array([encoded]), TEXTS)
    assert_alike(model, lambda: pa.array([]), [])
    with pytest.raises(DataError, match=r"Item 1 must be a text .* but is 3"):
        model.predict(pa.array([3, 4]))


def test_a_reader_of_tables_is_refused_before_it_is_read(model):
    pa = pytest.importorskip("pyarrow")
    reader = pa.table({"text": TEXTS}).to_reader()
    with pytest.raises(DataError, match=r"has the format '\+s'"):
        model.predict(reader)


def test_columns_of_pandas(model):
    pandas = pytest.importorskip("pandas")
    for dtype in ("str", "object", "string[python]", "category"):
        assert_alike(model, lambda dtype=dtype: pandas.Series(TEXTS, dtype=dtype), TEXTS)
    pytest.importorskip("pyarrow")
    assert arrow_texts(pandas.Series(TEXTS, dtype="string[pyarrow]")) is not None
    assert arrow_texts(pandas.Series(TEXTS, dtype="object")) is None


def test_columns_of_polars(model):
    polars = pytest.importorskip("polars")
    column = polars.Series(TEXTS)
    assert arrow_texts(column) is not None
    assert_alike(model, lambda: column, TEXTS)
    assert_alike(model, lambda: column.cast(polars.Categorical), TEXTS)
