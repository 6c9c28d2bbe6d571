"""The whole path for every kind of task, every form of teacher, and every way to start."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from plain_settings import PLAIN

import understudy
from understudy.errors import RecipeError, TeacherError
from understudy.evaluation.clock import PairedTiming
from understudy.pipeline.distillation import distill
from understudy.runtime.layout import slug

GOOD, BAD = ("good", "great"), ("bad", "dull")
SETTINGS = {
    **PLAIN,
    "teacher__method": "finetune",
    "teacher__finetune": {"epochs": 2, "learning_rate": 1e-3},
    "training__epochs": 6,
    "training__vocabulary_size": 60,
}


def rows_of(kind, texts):
    """Rows of a file whose label follows from the words."""

    def is_good(text):
        return any(word in text.split() for word in GOOD)

    if kind == "pair":
        turned = texts[1:] + texts[:1]
        return [
            {"sentence1": a, "sentence2": b, "label": "same" if is_good(a) == is_good(b) else "other"}
            for a, b in zip(texts, turned, strict=True)
        ]
    if kind == "multilabel":
        return [
            {"text": text, "labels": ["glad"] * is_good(text) + ["film"] * ("film" in text)} for text in texts
        ]
    if kind == "regression":
        return [{"text": text, "score": float(is_good(text)) * 4 + len(text.split()) / 10} for text in texts]
    judging, other = (("ADJ", "ADJ"), "X") if kind == "parts of speech" else (("B-GOOD", "B-BAD"), "O")
    tags = {**dict.fromkeys(GOOD, judging[0]), **dict.fromkeys(BAD, judging[1])}
    return [
        {"tokens": text.split(), "tags": [tags.get(word, other) for word in text.split()]} for text in texts
    ]


@pytest.fixture(scope="session")
def source(tmp_path_factory, toy):
    """Kind of task → a folder with train, dev and test."""

    def write(kind):
        folder = tmp_path_factory.mktemp("data") / kind
        folder.mkdir()
        for seed, (part, size) in enumerate((("train", 120), ("dev", 40), ("test", 40))):
            texts = [f"{text} {part}" for text in dict.fromkeys(toy(size, seed=seed)[0])]
            lines = (json.dumps(row) + "\n" for row in rows_of(kind, texts))
            (folder / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")
        return str(folder)

    made = {}
    return lambda kind: made.setdefault(kind, made.get(kind) or write(kind))


KIND = {"regression": {"data__kind": "regression", "data__label_column": "score"}}


def run(source, kind, bare, out, **more):
    settings = {**SETTINGS, **KIND.get(kind, {}), **more}
    students = settings.pop("students", "bilstm.v1:width=8,hidden=6")
    return distill(source(kind), teacher=str(bare), students=students, out=out, **settings)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("pair", ("a good film", "a dull film")),
        ("multilabel", "a great film"),
        ("regression", "a great film"),
        ("tagging", "The good film was DULL."),
    ],
)
def test_every_kind_ends_as_a_student_with_a_report(kind, asked, source, bare, tmp_path):
    result = run(source, kind, bare, tmp_path / "run")
    report = result.report
    assert report["task"]["kind"] == kind
    assert [row["role"] for row in report["rows"]] == ["teacher", "student", "undistilled", "baseline"]
    student = report["rows"][1]
    assert student["steps"] >= student["convergence_steps"] > 0
    assert student["against_undistilled"]["name"].endswith("(labels only)")
    assert (student["thresholds"] is not None) == (kind == "multilabel")
    assert (student["confusion"] is None) == (kind in ("multilabel", "regression"))
    page = result.html.read_text(encoding="utf-8")
    assert "bilstm.v1" in page
    model = understudy.load(result.best)
    answer = model.predict(asked)
    assert model.predict([asked]) == [answer]
    if kind == "pair":
        assert answer in ("same", "other")
    elif kind == "multilabel":
        assert set(answer) <= {"glad", "film"}
    elif kind == "regression":
        assert isinstance(answer, float)
    else:
        assert answer.words == ("The", "good", "film", "was", "DULL", ".")
        assert len(answer.tags) == 6
        assert all(answer.text[span.start : span.stop] == span.text for span in answer.spans)


def test_tags_that_mark_no_spans_are_scored_by_accuracy(source, bare, tmp_path):
    result = run(source, "parts of speech", bare, tmp_path / "run")
    assert result.report["task"]["metric"] == "accuracy"
    assert 0.5 < result.report["rows"][1]["score"] <= 1.0
    answer = understudy.load(result.best).predict("a great film")
    assert answer.words == ("a", "great", "film")
    assert {*answer.tags} <= {"ADJ", "X"}
    assert not answer.spans


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_report_says_where_tags_are_weighed_in_their_order(source, bare, tmp_path, monkeypatch, weight):
    def decided(task, *_):
        return task, {"weight": weight, "dev_before": 0.5, "dev_after": 0.75}

    monkeypatch.setattr("understudy.training.fit.with_transitions", decided)
    notes = run(source, "parts of speech", bare, tmp_path / "run").report["data"]["notes"]
    said = [note for note in notes if "weighs which tags follow each other" in note]
    assert len(said) == (weight > 0)
    assert all("on dev: 0.500 without, 0.750 with" in note for note in said)


@pytest.fixture(scope="session")
def pairs_run(source, bare, tmp_path_factory):
    """A run on pairs up to its labels; read only."""
    return run(source, "pair", bare, tmp_path_factory.mktemp("pairs") / "run", until="label").folder


def test_pairs_are_read_in_one_or_apart(pairs_run, source, bare, tmp_path):
    out = Path(shutil.copytree(pairs_run, tmp_path / "run"))
    students = ["cbow.v1:width=8", "cbow.v1:width=8,pair=joint", "bert-tiny.v1:width=32,feed_forward=32"]
    result = run(source, "pair", bare, out, until="export", students=students)
    models = {name: understudy.load(folder) for name, folder in result.models.items()}
    assert [models[name].input_mode for name in students] == ["diffcat", "text", "text"]
    for model in models.values():
        one, two = model.predict_proba([("a good film", "a bad film"), ("a bad film", "a good film")])
        assert not np.allclose(one, two) or model.input_mode == "text"


def test_labels_are_bought_once_for_every_student(pairs_run, source, bare, tmp_path, monkeypatch):
    from understudy.teachers.transformer import Teacher

    monkeypatch.setattr(Teacher, "logits", lambda *_: pytest.fail("the teacher was asked again"))
    out = Path(shutil.copytree(pairs_run, tmp_path / "run"))
    run(source, "pair", bare, out, until="train", students="dan.v1:width=8,buckets=64")


@pytest.mark.parametrize("mean", ["logits", "probabilities"])
def test_several_teachers_teach_as_one(source, bare, write_model, mean, tmp_path):
    other = write_model("distilbert", labels=None, seed=3)
    settings = {**SETTINGS, "teacher__mean": mean}
    result = distill(
        source("multilabel"),
        teacher=[str(bare), str(other)],
        students="cbow.v1:width=8",
        out=tmp_path / "run",
        until="evaluate" if mean == "logits" else "train",
        **settings,
    )
    assert {path.name for path in result.folder.glob("teacher-*")} == {"teacher-1", "teacher-2"}
    if mean == "logits":
        rows = json.loads((result.folder / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
        assert " + " in rows["rows"][0]["name"]


def test_a_student_teaches_the_next(source, bare, pairs_run, tmp_path):
    out = Path(shutil.copytree(pairs_run, tmp_path / "run"))
    first = run(source, "pair", bare, out, until="export")
    assistant = next(iter(first.models.values()))
    second = distill(
        source("pair"),
        teacher=str(assistant),
        students="cbow.v1:width=8",
        out=tmp_path / "second",
        until="export",
        **{**SETTINGS, "teacher__finetune": {}, "teacher__method": "auto"},
    )
    facts = json.loads((next(iter(second.models.values())) / "config.json").read_text(encoding="utf-8"))
    assert facts["teacher"]["fingerprint"] == understudy.load(assistant).fingerprint


def test_a_student_of_another_task_does_not_teach(source, pairs_run, bare, tmp_path):
    out = Path(shutil.copytree(pairs_run, tmp_path / "run"))
    assistant = next(iter(run(source, "pair", bare, out, until="export").models.values()))
    with pytest.raises(TeacherError, match="does not answer the task"):
        distill(source("multilabel"), teacher=str(assistant), out=tmp_path / "no", until="label")


@pytest.mark.parametrize("start", ["teacher", "teacher-static", "file"])
def test_word_tables_start_from_where_the_recipe_says(start, source, bare, pairs_run, tmp_path):
    out = Path(shutil.copytree(pairs_run, tmp_path / "run"))
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("good 1 2 3\nbad 3 1 2\nfilm 0 1 0\n", encoding="utf-8")
    name = str(vectors) if start == "file" else start
    settings = {"training__embeddings": name, "training__is_embedding_frozen": start == "file"}
    result = run(source, "pair", bare, out, until="train", students="cbow.v1:width=8", **settings)
    facts = json.loads((result.folder / "train" / "cbow.v1-width=8" / "student.json").read_text())["facts"]
    assert facts["start"]["source"] == (vectors.name if start == "file" else start)
    assert 0 < facts["start"]["tokens_covered"] <= 1
    if start == "file":  # another file of the same name is another start
        vectors.write_text("good 1 2 3\n", encoding="utf-8")
        run(source, "pair", bare, out, until="train", students="cbow.v1:width=8", **settings)
        again = json.loads((result.folder / "train" / "cbow.v1-width=8" / "student.json").read_text())
        assert again["facts"]["start"]["tokens_covered"] < facts["start"]["tokens_covered"]


def test_a_transformer_learns_its_teachers_layers(source, bare, pairs_run, tmp_path):
    out = Path(shutil.copytree(pairs_run, tmp_path / "run"))
    settings = {"loss__layers": 1.0, "training__vocabulary": "teacher"}
    sizes = "bert-tiny.v1:width=16,feed_forward=32,layers=1"
    result = run(source, "pair", bare, out, until="export", students=sizes, **settings)
    facts = json.loads((result.folder / "train" / slug(sizes) / "student.json").read_text(encoding="utf-8"))
    curve = [epoch["train_loss"] for epoch in facts["curve"]]
    assert curve[-1] < curve[0]
    for wrong, said in (
        ({"students": "cbow.v1"}, "cbow.v1 is not one"),
        ({"students": sizes, "training__vocabulary": "words"}, "must have the teacher's vocabulary"),
    ):
        with pytest.raises(RecipeError, match=said):
            run(source, "pair", bare, out, until="train", **{**settings, **wrong})


def test_class_weights_reach_every_kind_that_has_classes(source, bare, tmp_path):
    weighted = {"loss__alpha": 0.5, "training__class_weights": True}
    run(source, "tagging", bare, tmp_path / "tags", until="train", **weighted)
    with pytest.raises(RecipeError, match="Class weights weigh labels"):
        run(source, "regression", bare, tmp_path / "values", until="train", **weighted)


@pytest.mark.parametrize(
    ("kind", "loss", "said"),
    [("multilabel", "kl", "'bce'"), ("regression", "hard", "'mse'"), ("pair", "bce", "'kl'")],
)
def test_a_loss_that_does_not_fit_is_refused_before_any_work(kind, loss, said, source, bare, tmp_path):
    with pytest.raises(RecipeError, match=f"does not fit a .*{said}"):
        run(source, kind, bare, tmp_path / "run", loss__name=loss, until="train")
    assert not (tmp_path / "run" / "teacher").exists()


def _precision(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config["onnx"]["precision"], config["quantisation"]["wanted"]


def test_int8_is_decided_once_and_told_everywhere(pairs_run, source, bare, tmp_path, monkeypatch):
    out = Path(shutil.copytree(pairs_run, tmp_path / "run"))
    told = PairedTiming(100.0, 50.0, 2.0, (1.9, 2.1), 21)
    monkeypatch.setattr("understudy.export.int8.time_in_turns", lambda *_: told)
    monkeypatch.setattr("understudy.export.int8.MOST_LOST", 1.0)
    run(source, "pair", bare, out, until="export")
    name = slug("bilstm.v1:width=8,hidden=6")
    model, twin = out / "models" / name, out / "undistilled" / name
    assert _precision(model) == _precision(twin) == ("float32", "none")

    result = run(source, "pair", bare, out, quantize="auto")
    assert (_precision(model), _precision(twin)) == (("int8", "auto"), ("int8", "int8"))
    _, student, undistilled, baseline = result.report["rows"]
    files = ("config.json", "tokenizer.json", "model.onnx")
    assert student["size_bytes"] == sum((model / file).stat().st_size for file in files)
    said = "int8, which is faster here and as good on dev"
    assert student["quantisation"].startswith(said)
    assert undistilled["quantisation"].startswith("int8, as was asked for")
    assert "quantisation" not in baseline
    for file in (model / "README.md", out / "report.md", result.html):
        assert said in file.read_text(encoding="utf-8")

    monkeypatch.setattr("understudy.export.int8.time_in_turns", lambda *_: pytest.fail("measured again"))
    again = run(source, "pair", bare, out, quantize="auto", until="export")
    assert understudy.load(again.models["bilstm.v1:width=8,hidden=6"]).predict(("a", "b")) in (
        "same",
        "other",
    )
    monkeypatch.setattr("understudy.pipeline.run.cpu_name", lambda: "another processor")
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        run(source, "pair", bare, out, quantize="auto", until="export")


def rows_in(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_taggers_learn_from_sentences_without_tags(source, bare, tmp_path):
    lines = ("A great, DULL film!", "a great, dull film!", "Not one good film here", "Too short")
    (tmp_path / "more.txt").write_text("\n".join(lines), encoding="utf-8")
    held_out = {"sources": [source("parts of speech")], "parts": ["test"]}  # the sentences of this test, too
    done = run(
        source,
        "tagging",
        bare,
        tmp_path / "run",
        data__unlabelled=[str(tmp_path / "more.txt")],
        students="cnn.v1:width=8,blocks=1,spelling=true",
        augment=[{"merge": held_out}, "length", "near-duplicates"],
    )

    folder = tmp_path / "run"
    pool = [tuple(row["text"]) for row in rows_in(folder / "augment" / "pool.jsonl")]
    assert pool == [("A", "great", ",", "DULL", "film", "!"), ("Not", "one", "good", "film", "here")]
    labelled = {tuple(row["words"]) for row in rows_in(folder / "data" / "train.jsonl")}
    record = json.loads((folder / "logits" / "label.json").read_text(encoding="utf-8"))
    assert record["texts"] == len(labelled | set(pool))

    assert (done.best / "spelling.json").is_file()
    assert understudy.load(done.best).predict("A great film.").words == ("A", "great", "film", ".")


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (
            "tagging",
            {"augment": ["eda", "length"]},
            "augment: eda cannot be used .* domain, length, merge, near",
        ),
        (
            "multilabel",
            {"students": "bilstm.v1:spelling=true"},
            "spelling is read of the words of a sentence",
        ),
        ("tagging", {"students": "bilstm.v1:spelling=3"}, "spelling is 3, but must be true or false"),
    ],
)
def test_what_cannot_be_done_with_words_is_refused(kind, settings, message, source, bare, tmp_path):
    with pytest.raises(RecipeError, match=message):
        run(source, kind, bare, tmp_path / "run", **settings)
