"""Functions and tables as the teacher of a whole run."""

import json
import shutil

import numpy as np
import pytest
from plain_settings import PLAIN

from understudy.core.task import Task
from understudy.errors import DataError, RecipeError, TeacherError
from understudy.pipeline.distillation import distill
from understudy.pipeline.local_teacher import Member
from understudy.pipeline.recipe import Recipe
from understudy.teachers.answer_table import read_table_teacher
from understudy.teachers.configs import TableConfig
from understudy.teachers.source import resolve

TASK = Task(("bad", "good"))
SETTINGS = {**PLAIN, "training__epochs": 4, "training__vocabulary_size": 60, "students": "cbow.v1:width=8"}


def good(texts):
    words = (set(text.split()) for text in texts)
    return [[0.0, 3.0] if held & {"good", "great"} else [3.0, 0.0] for held in words]


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, toy):
    folder = tmp_path_factory.mktemp("data") / "toy"
    folder.mkdir()
    names = ("bad", "good")
    for seed, (part, size) in enumerate((("train", 60), ("dev", 30), ("test", 30))):
        texts, labels = toy(size, seed=seed)
        rows = ({"text": f"{t} {part}", "label": names[y]} for t, y in zip(texts, labels, strict=True))
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def texts_of(folder):
    lines = [
        line for part in ("train", "test") for line in (folder / f"{part}.jsonl").read_text().splitlines()
    ]
    return list(dict.fromkeys(json.loads(line)["text"] for line in lines))


def write_table(path, texts, labels=None):
    rows = labels or good(texts)
    lines = [f'"{text}",{row[0]},{row[1]}\n' for text, row in zip(texts, rows, strict=True)]
    path.write_text("text,bad,good\n" + "".join(lines))
    return path


def test_a_function_teaches(labelled, tmp_path):
    result = distill(str(labelled), teacher=good, out=tmp_path / "run", **SETTINGS)
    top, student = result.report["rows"][:2]
    assert top["name"] == f"{good.__module__}:good"
    assert top["score"] == 1.0
    assert top["latency_us"] is None  # no other process finds a function that was handed over
    assert student["agreement"] == pytest.approx(student["score"])  # the teacher is always right here
    assert "callable: " in (tmp_path / "run" / "recipe.yaml").read_text()
    again = distill(str(labelled), teacher=good, out=tmp_path / "run", **SETTINGS)
    assert all(stage["skipped"] for stage in again.report["stages"])


def test_a_function_that_other_processes_find_is_timed(labelled, tmp_path, monkeypatch):
    module = (
        "def score(texts):\n"
        "    return [[0.0, 3.0] if {'good', 'great'} & set(t.split()) else [3.0, 0.0] for t in texts]\n"
    )
    (tmp_path / "film_judge.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    result = distill(str(labelled), teacher__callable="film_judge:score", out=tmp_path / "run", **SETTINGS)
    top, student = result.report["rows"][:2]
    assert top["latency_us"]["p50"] > 0
    assert student["speedup"] > 0
    assert top["parameters"] is student["compression"] is None


def test_a_run_without_gold_labels_needs_names(labelled, tmp_path):
    pool = tmp_path / "pool.txt"
    pool.write_text("\n".join(texts_of(labelled)))
    options = {"unlabelled": str(pool), "teacher": good, "out": tmp_path / "run", **SETTINGS}
    with pytest.raises(RecipeError, match="does not name its labels"):
        distill(**options)
    result = distill(**options, teacher__labels=["bad", "good"])
    assert result.report["rows"][1]["retention"] is None
    assert result.report["rows"][1]["agreement"] is not None


def test_a_table_teaches(labelled, tmp_path):
    path = write_table(tmp_path / "answers.csv", texts_of(labelled))
    result = distill(str(labelled), teacher__table=str(path), out=tmp_path / "run", **SETTINGS)
    assert result.report["rows"][0]["name"] == "answers.csv"
    assert result.report["rows"][0]["latency_us"] is None
    write_table(path, texts_of(labelled)[5:])
    with pytest.raises(TeacherError, match="has no answer for 5 of") as caught:
        distill(str(labelled), teacher__table=str(path), out=tmp_path / "other", until="label", **SETTINGS)
    assert repr(texts_of(labelled)[0]) in str(caught.value)


def test_tables_hold_logits_probabilities_or_labels(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,good,bad,label\nfine,0.75,0.25,good\npoor,0,1,bad\n")
    asked = ["poor", "fine"]
    rows = read_table_teacher(TableConfig(str(path)), TASK).logits(asked)
    np.testing.assert_allclose(rows, [[1, 0], [0.25, 0.75]])
    rows = read_table_teacher(TableConfig(str(path), values="probabilities"), TASK).logits(asked)
    np.testing.assert_allclose(TASK.probabilities(rows), [[1, 0], [0.25, 0.75]], atol=1e-5)
    many = Task(("bad", "good"), "multilabel")
    rows = read_table_teacher(TableConfig(str(path), values="probabilities"), many).logits(["fine"])
    np.testing.assert_allclose(rows, [[np.log(1 / 3), np.log(3)]], atol=1e-5)
    hard = TableConfig(str(path), label_column="label", smoothing=0.1)
    rows = read_table_teacher(hard, TASK).logits(asked)
    np.testing.assert_allclose(TASK.probabilities(rows), [[0.9, 0.1], [0.1, 0.9]], atol=1e-5)


def test_tables_of_pairs_and_of_several_labels(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"sentence1": "a", "sentence2": "b", "same": 1.5, "other": 0}\n')
    pairs = Task(("other", "same"), "pair")
    np.testing.assert_allclose(
        read_table_teacher(TableConfig(str(path)), pairs).logits([("a", "b")]), [[0, 1.5]]
    )
    path.write_text('{"text": "a", "labels": ["good"]}\n{"text": "b", "labels": []}\n')
    many = Task(("bad", "good"), "multilabel")
    hard = TableConfig(str(path), label_column="labels", text_column="text")
    assert many.answers(read_table_teacher(hard, many).logits(["a", "b"])) == [("good",), ()]


@pytest.mark.parametrize(
    ("lines", "more", "said"),
    [
        ("text,bad\na,1\n", {}, "no column 'good'"),
        ("text,bad,good\na,1,x\n", {}, "not a number"),
        ("text,bad,good\na,1,nan\n", {}, "row 1, column 'good': nan is not a finite"),
        ("text,bad,good\na,1,2\n", {"values": "probabilities"}, "2.0 is not a probability"),
        ("text,bad,good\na,1,2\nb,0,0\na,1,3\n", {}, "line 4: this text has another answer in line 2"),
        ("text,label\na,god\n", {"label_column": "label"}, "Did you mean 'good'"),
    ],
)
def test_tables_that_cannot_be_used(lines, more, said, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(lines)
    with pytest.raises(TeacherError, match=said):
        read_table_teacher(TableConfig(str(path), **more), TASK)


def test_other_things_that_a_table_cannot_be(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,bad,good\na,1,2\n")
    with pytest.raises(DataError, match="no column 'txt'"):
        read_table_teacher(TableConfig(str(path), text_column="txt"), TASK)
    with pytest.raises(TeacherError, match="there is no file"):
        read_table_teacher(TableConfig("nowhere.csv"), TASK)
    with pytest.raises(TeacherError, match="cannot teach a tagging task"):
        read_table_teacher(TableConfig(str(path)), Task(("O", "B-A"), "tagging"))
    with pytest.raises(RecipeError, match="Did you mean 'logits'"):
        TableConfig("a.csv", values="logit")


def test_code_of_a_teacher_is_trusted_only_where_the_recipe_says_so(bert, tmp_path):
    for options, expected in (({}, False), ({"trust_remote_code": True}, True)):
        recipe = Recipe(data={"source": "s"}, teacher={"model": str(bert), **options})
        source = resolve(str(bert), trust_remote_code=recipe.teacher.trust_remote_code)
        member = Member("teacher", source, tmp_path, recipe)
        assert source.trust_remote_code is expected
        if not expected:
            assert member.spec.trust_remote_code is False
            continue
        with pytest.warns(UserWarning, match="trust_remote_code is set"):
            assert member.spec.trust_remote_code


def test_a_changed_vocabulary_file_makes_another_teacher(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "teacher")
    (folder / "tokenizer.json").unlink()  # beside it, a list of words would not be read
    recipe = Recipe(data={"source": "s"}, teacher={"model": str(folder)})
    keys = []
    for words in ("good\nbad", "bad\ngood"):
        (folder / "vocab.txt").write_text(words, encoding="utf-8")
        keys.append(Member("teacher", resolve(str(folder)), tmp_path, recipe).key)
    assert keys[0] != keys[1]
