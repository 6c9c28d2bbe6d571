import json
import logging

import numpy as np
import onnx
import pytest
import torch

from understudy.core.manifest import read_json, verify
from understudy.core.task import Task
from understudy.errors import ExportError, RecipeError
from understudy.evaluation.clock import PairedTiming
from understudy.export import int8 as room
from understudy.export import table_precision
from understudy.export.folder import export
from understudy.export.int8 import MOST_LOST, Measured, quantise, to_int8
from understudy.export.table_precision import choose_table
from understudy.runtime import load
from understudy.runtime.layout import Layout
from understudy.runtime.onnx_session import open_session
from understudy.students import STUDENTS, build
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent

WORDS = ("[PAD]", "[UNK]", "[MASK]", "[SEP]", *(f"w{n}" for n in range(60)))
TASKS = {
    "text": Task(("bad", "good")),
    "diffcat": Task(("no", "yes"), kind="pair", texts=2),
    "tokens": Task(("O", "B-x", "I-x"), kind="tagging", metric="span_f1"),
}
SIZES = {
    "attn-bilstm.v1": {"width": 32, "hidden": 16, "feed_forward": 32},
    "bert-mini.v1": {"layers": 1, "width": 32, "heads": 2, "feed_forward": 64},
    "bert-small.v1": {"layers": 1, "width": 32, "heads": 2, "feed_forward": 64},
    "bert-tiny.v1": {"width": 32, "heads": 2, "feed_forward": 64},
    "cnn.v1": {"width": 64, "blocks": 2},
}


def texts(number, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS[4:], n)) for n in rng.integers(1, 20, number)]


def items_of(form, number=24):
    if form == "text":
        return texts(number)
    if form == "diffcat":
        return list(zip(texts(number), texts(number, 1), strict=True))
    return [tuple(text.split()) for text in texts(number)]


def student_of(name="bilstm.v1", form="text"):
    task = TASKS[form]
    sizes = {"vocabulary_size": len(WORDS), **SIZES.get(name, {})}
    form = STUDENTS[name].apart if form == "diffcat" else form  # two texts apart, in the student's own way
    module = build(name, len(task.labels), seed=0, form=form, **sizes).eval()
    with torch.no_grad():
        for rows in module.row_tables():  # direct paths begin at zero
            rows[3:] += 0.3 * torch.randn(rows[3:].shape, generator=torch.Generator().manual_seed(1))
    return TorchStudent(name, module, WordVocabulary(WORDS, module.config.max_words), task)


def dev_of(student):
    """Items, and the student's own answers as gold: every float answer is right."""
    items = items_of(student.module.form)
    return items, student.task.decisions(student.logits(items))


def graph_of(student):
    return student.module.to_onnx().SerializeToString()


@pytest.fixture(scope="module")
def student():
    return student_of()


@pytest.fixture
def quick(monkeypatch):
    """Times as they are told; the graphs are still made, run and scored."""

    def tell(ratio=2.0, low=1.9, high=2.1):
        told = PairedTiming(100.0, 100.0 / ratio, ratio, (low, high), 21)
        monkeypatch.setattr(room, "time_in_turns", lambda *_: told)

    tell()
    return tell


def measured(race=(2.0, 1.9, 2.1), scores=(0.8, 0.8)):
    ratio, low, high = race
    times = PairedTiming(100.0, 100.0 / ratio, ratio, (low, high), 21)
    return Measured(times, "accuracy", *scores, 4_000_000, 1_000_000, 0.031, 0.012, "a processor")


# --------------------------------------------------------------------------------------------- the int8 form


@pytest.mark.parametrize("name", sorted(STUDENTS))
@pytest.mark.parametrize("form", sorted(TASKS))
def test_every_student_and_form_has_an_int8_form_that_answers_alike(name, form):
    if STUDENTS[name].refusal(TASKS[form].kind):
        pytest.skip("this student has no such form")
    one = student_of(name, form)
    found = room._served(one, to_int8(graph_of(one))).logits(items_of(form))
    expected = one.logits(items_of(form))
    assert 0 < np.abs(found - expected).max() < 0.1 * max(1.0, float(np.abs(expected).max()))


def test_the_int8_form_is_smaller_and_the_same_each_time(student):
    graph = graph_of(student)
    small = to_int8(graph)
    assert len(small) < 0.5 * len(graph)
    assert small == to_int8(graph)


def test_convolutions_stay_float():
    small = onnx.load_model_from_string(to_int8(graph_of(student_of("cnn.v1"))))
    kinds = {node.op_type for node in small.graph.node}
    assert "Conv" in kinds
    assert "MatMulInteger" in kinds
    assert "ConvInteger" not in kinds


def test_stated_shapes_do_not_hinder(student):
    model = onnx.load_model_from_string(graph_of(student))
    stated = onnx.helper.make_tensor_value_info(model.graph.node[0].output[0], onnx.TensorProto.FLOAT, [7, 7])
    model.graph.value_info.append(stated)
    assert open_session(to_int8(model.SerializeToString()))


def test_nothing_is_logged_and_logging_goes_on(student, caplog):
    with caplog.at_level(logging.INFO):
        to_int8(graph_of(student))
        assert caplog.records == []
        logging.getLogger("any").info("still heard")
        assert [record.message for record in caplog.records] == ["still heard"]


# ----------------------------------------------------------------------------------------------- the decision


def test_none_measures_nothing(student, monkeypatch):
    monkeypatch.setattr(room, "to_int8", lambda graph: pytest.fail("made"))
    graph, decision = quantise(student, b"graph", "none", None, is_fast=False)
    assert graph == b"graph"
    assert (decision.precision, decision.measured) == ("float32", None)


def test_auto_takes_what_is_faster_and_as_good(student, quick):
    quick()
    graph = graph_of(student)
    taken, decision = quantise(student, graph, "auto", dev_of(student), is_fast=False)
    assert taken == to_int8(graph)
    assert decision.precision == "int8"
    assert decision.why.startswith("int8, which is faster here and as good on dev: int8 takes 50 µs an item")
    found = decision.measured
    assert (found.float_score, found.float_bytes, found.int8_bytes) == (1.0, len(graph), len(taken))
    assert 0 < found.largest_difference < 0.1
    assert 0 < found.largest_company < 0.1
    assert json.loads(json.dumps(decision.to_dict()))["precision"] == "int8"


def test_auto_leaves_what_is_not_clearly_faster(student, quick):
    quick(1.05, 0.98, 1.2)
    graph = graph_of(student)
    taken, decision = quantise(student, graph, "auto", dev_of(student), is_fast=False)
    assert taken == graph
    assert decision.why.startswith("float32; int8 was measured and is not clearly faster here: int8 takes")


def test_auto_leaves_what_is_worse_on_dev(student, quick, monkeypatch):
    quick()
    other = student_of("bilstm.v1")
    with torch.no_grad():
        for parameter in other.module.parameters():
            parameter.mul_(-1)
    wrong = to_int8(graph_of(other))
    monkeypatch.setattr(room, "to_int8", lambda graph: wrong)
    graph = graph_of(student)
    taken, decision = quantise(student, graph, "auto", dev_of(student), is_fast=False)
    assert taken == graph
    assert "is more than 0.5 points worse on dev" in decision.why
    assert decision.measured.int8_score < 1 - MOST_LOST


def test_auto_leaves_what_the_extension_serves(student, monkeypatch):
    monkeypatch.setattr(room, "to_int8", lambda graph: pytest.fail("made"))
    graph, decision = quantise(student, b"graph", "auto", None, is_fast=True)
    assert graph == b"graph"
    assert "C extension" in decision.why


def test_int8_is_taken_in_any_case_and_says_what_it_costs(student, quick):
    quick(0.5, 0.4, 0.6)
    graph = graph_of(student)
    taken, decision = quantise(student, graph, "int8", dev_of(student), is_fast=True)
    assert taken == to_int8(graph)
    assert decision.why.startswith("int8, as was asked for: int8 takes 200 µs")
    assert decision.why.endswith("the C extension, which serves only float32, does not serve it")


@pytest.mark.parametrize(
    ("race", "scores", "faults"),
    [
        ((2.0, 1.01, 3.0), (0.8, 0.795), []),
        ((2.0, 1.0, 3.0), (0.8, 0.8), ["faster"]),
        ((2.0, 1.9, 3.0), (0.8, 0.7949), ["worse"]),
        ((0.5, 0.4, 0.6), (0.8, 0.5), ["faster", "worse"]),
        ((1.5, 1.4, 1.6), (0.8, 0.9), []),
    ],
)
def test_faster_means_in_most_rounds_and_as_good_within_half_a_point(race, scores, faults):
    found = measured(race, scores)
    assert found.is_faster == ("faster" not in faults)
    assert found.is_as_good == ("worse" not in faults)
    verdict = room._verdict(found)
    assert verdict.startswith("float32" if faults else "int8")
    assert all(word in verdict for word in faults)


def test_the_sentence_has_all_numbers():
    said = measured(scores=(0.8123, 0.8101)).sentence()
    for part in (
        "50 µs", "100", "2.00 times", "1.90 to 2.10", "21 rounds", "a processor", "accuracy", "0.8101",
        "0.8123", "1.00 MB", "4.00", "0.031", "0.012",
    ):  # fmt: skip
        assert part in said


def test_an_unknown_wish_is_refused_with_the_nearest(student):
    with pytest.raises(RecipeError, match=r"quantize.*'int9'.*int8"):
        quantise(student, b"", "int9", None, is_fast=False)


@pytest.mark.parametrize("dev", [None, ([], np.zeros(0, dtype=np.int64))])
@pytest.mark.parametrize("wanted", ["auto", "int8"])
def test_without_dev_items_nothing_is_decided(student, dev, wanted):
    with pytest.raises(RecipeError, match="dev items"):
        quantise(student, b"", wanted, dev, is_fast=False)


def test_the_clock_really_runs(student, monkeypatch):
    real = room.time_in_turns
    monkeypatch.setattr(room, "time_in_turns", lambda *given: real(*given, rounds=3, seconds=0.05))
    found = room.measure(student, graph_of(student), to_int8(graph_of(student)), dev_of(student))
    assert found.race.one_us > 1
    assert found.race.rounds == 3
    assert found.cpu


# ------------------------------------------------------------------------------------------- in a folder


@pytest.mark.parametrize("form", sorted(TASKS))
def test_an_exported_int8_student_answers(tmp_path, quick, form):
    one = student_of("bilstm.v1", form)
    difference = export(one, tmp_path / "s", teacher={}, about={}, quantize="int8", dev=dev_of(one))
    verify(tmp_path / "s")
    config = read_json(tmp_path / "s" / "config.json")
    assert difference < 1e-5  # of the float graph
    assert config["onnx"]["precision"] == config["quantisation"]["precision"] == "int8"
    assert config["quantisation"]["measured"]["largest_difference"] > difference
    model = load(tmp_path / "s")
    items = items_of(form)
    np.testing.assert_allclose(model.logits(items), one.logits(items), atol=0.1)
    assert Layout(tmp_path / "s").onnx.read_bytes() == to_int8(graph_of(one))
    assert Layout(tmp_path / "s").weights.stat().st_size > 4 * 0.9 * one.parameters


def test_a_bag_of_words_in_int8_has_one_answer_only(tmp_path, quick):
    one = student_of("cbow.v1")
    dev = dev_of(one)
    for wanted, is_fast in (("none", True), ("auto", True), ("int8", False)):
        export(one, tmp_path / wanted, teacher={}, about={}, quantize=wanted, dev=dev)
        assert Layout(tmp_path / wanted).fast.is_file() == is_fast
        assert ("fast" in read_json(tmp_path / wanted / "config.json")) == is_fast
    assert load(tmp_path / "int8").fast is None
    np.testing.assert_allclose(load(tmp_path / "int8").logits(dev[0]), one.logits(dev[0]), atol=0.1)


def test_a_float_graph_that_is_wrong_is_not_quantised(tmp_path, quick, monkeypatch):
    one = student_of("bilstm.v1")
    wrong = student_of("cnn.v1").module.to_onnx()
    monkeypatch.setattr(type(one.module), "to_onnx", lambda self: wrong)
    with pytest.raises(ExportError):
        export(one, tmp_path / "s", teacher={}, about={}, quantize="int8", dev=([], []))
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------- the table of words


def bag(name="cbow.v1"):
    one = student_of(name)
    with torch.no_grad():
        for parameter in one.module.parameters():
            parameter.mul_(3)
    return one


@pytest.mark.parametrize("name", ["cbow.v1", "dan.v1"])
@pytest.mark.parametrize("form", ["float16", "int8"])
def test_all_files_hold_the_rounded_student(tmp_path, name, form):
    one = bag(name)
    before = {key: value.clone() for key, value in one.module.state_dict().items()}
    dev = dev_of(one)
    export(one, tmp_path / "full", teacher={}, about={})
    export(one, tmp_path / "small", teacher={}, about={}, table=form, dev=dev)
    verify(tmp_path / "small")
    assert all(torch.equal(before[key], value) for key, value in one.module.state_dict().items())
    full, small = (Layout(tmp_path / part).fast.stat().st_size for part in ("full", "small"))
    assert small < (0.7 if form == "float16" else 0.5) * full or name == "cbow.v1"
    model = load(tmp_path / "small")
    slow = model.reference.logits(dev[0])
    if model.fast is not None:
        np.testing.assert_allclose(model.logits(dev[0]), slow, atol=1e-5)
    difference = np.abs(slow - one.logits(dev[0])).max()
    assert 0 < difference < 0.1
    config = read_json(tmp_path / "small" / "config.json")
    table = config["quantisation"]["table"]
    assert (table["wanted"], table["form"]) == (form, form)
    assert f"the rows of words are in {form}: accuracy on dev is" in table["why"]
    assert config["onnx"]["largest_difference"] < 1e-5


@pytest.mark.parametrize(
    ("worse", "form"), [((), "int8"), (("int8",), "float16"), (("int8", "float16"), "float32")]
)
def test_auto_takes_the_smallest_table_that_is_as_good(monkeypatch, worse, form):
    one = bag()
    real, wrong = table_precision.rounded, bag()
    with torch.no_grad():
        for parameter in wrong.module.parameters():
            parameter.mul_(-1)
    monkeypatch.setattr(
        table_precision, "rounded", lambda student, form: wrong if form in worse else real(student, form)
    )
    found, choice = choose_table(one, "auto", dev_of(one), is_fast=True)
    assert choice.form == form
    assert (found is one) == (form == "float32")
    assert choice.why.startswith(f"the rows of words are in {form}")


def test_a_table_is_for_students_that_the_extension_serves(tmp_path):
    student = student_of("attn-bilstm.v1")
    assert choose_table(student, "auto", None, is_fast=False)[1].form == "float32"
    assert choose_table(student, "float32", None, is_fast=True)[1].form == "float32"
    with pytest.raises(
        RecipeError,
        match=r"attn-bilstm\.v1.*cbow\.v1, dan\.v1, .*bihybrid\.v1 on single texts, and window\.v1 on words",
    ):
        export(student, tmp_path / "s", teacher={}, about={}, table="int8", dev=dev_of(student))
    with pytest.raises(RecipeError, match="none is written"):
        export(bag(), tmp_path / "s", teacher={}, about={}, table="int8", quantize="int8", dev=dev_of(bag()))
    with pytest.raises(RecipeError, match="dev items"):
        choose_table(bag(), "auto", None, is_fast=True)
    with pytest.raises(RecipeError, match=r"table.*'int9'"):
        choose_table(bag(), "int9", None, is_fast=True)
    assert list(tmp_path.iterdir()) == []
