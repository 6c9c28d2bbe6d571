"""What `distill` gives back, and what it takes."""

import pytest
from plain_settings import PLAIN

import understudy
from understudy.pipeline.result import Result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    rows = [f"film {n} is {('good', 'bad')[n % 2]},{('good', 'bad')[n % 2]}" for n in range(60)]
    (path / "data.csv").write_text("text,label\n" + "\n".join(rows))
    (path / "recipe.yaml").write_text("data: {source: data.csv}\n")
    return path


def judge(texts):
    return [[3.0, 0.0] if "bad" in text else [0.0, 3.0] for text in texts]


def test_paths_are_taken_as_they_are(folder, tmp_path):
    result = understudy.distill(folder / "data.csv", out=tmp_path / "run", until="data")
    assert result.folder == tmp_path / "run"
    again = understudy.distill(recipe=folder / "recipe.yaml", out=tmp_path / "run", until="data")
    assert again.folder == result.folder
    mapping = {"data": {"source": str(folder / "data.csv")}}
    assert understudy.distill(recipe=mapping, out=tmp_path / "run", until="data").folder == result.folder


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"source": [1, 2]}, r"not a list\. Write it to a file first"),
        ({"source": "x.csv", "teacher": 5}, r"a function from texts to logits, not an int"),
        ({"source": "x.csv", "out": ""}, r"out is empty"),
    ],
)
def test_what_is_not_a_path_is_told(arguments, said):
    with pytest.raises(understudy.RecipeError, match=said):
        understudy.distill(**arguments)


def test_only_students_of_the_recipe_are_its_models(folder, tmp_path):
    options = {"teacher": judge, "out": tmp_path / "run", "until": "export", **PLAIN, "training__epochs": 1}
    understudy.distill(folder / "data.csv", students=["cbow.v1", "dan.v1"], **options)
    result = understudy.distill(folder / "data.csv", students="cbow.v1", **options)
    assert list(result.models) == ["cbow.v1"]
    assert (tmp_path / "run" / "models" / "dan.v1").is_dir()


def test_a_result_is_short_and_has_no_report_before_the_end(tmp_path):
    result = Result(tmp_path, {"rows": ["x" * 1000]}, ("cbow.v1",))
    assert len(repr(result)) < 250
    with pytest.raises(understudy.RecipeError, match="ended before its report"):
        _ = Result(tmp_path, None).html


def test_the_best_may_be_a_student_that_learnt_from_labels_only(tmp_path):
    def row(name, role, dev):
        facts = {"name": name, "role": role, "student": "cbow.v1", "metric": "accuracy", "score": 0.5}
        return {**facts, "curve": [], "dev": dev}

    rows = [row("cbow.v1", "student", 0.6), row("cbow.v1 (labels only)", "undistilled", 0.7)]
    best = Result(tmp_path, {"rows": rows}, ("cbow.v1",)).best
    assert best == tmp_path / "undistilled" / "cbow.v1"
