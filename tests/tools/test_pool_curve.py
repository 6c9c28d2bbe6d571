"""The curve of students against the size of the pool, on a run that was made up in a moment."""

import json
from pathlib import Path

import numpy as np
import pytest

import understudy

ROOT = Path(__file__).parents[2]


def judge(texts):
    """The teacher of the made-up run."""
    return [[3.0, 0.0] if "bad" in text else [0.0, 3.0] for text in texts]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has labelled its pool of 60 texts, and nothing more."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    words = ["film", "room", "food", "was", "is", "really", "very", "the"]

    def text(number):
        return f"{' '.join(rng.choice(words, 4))} {('bad', 'good')[number % 2]} {number}"

    rows = [f"{text(number)},{('bad', 'good')[number % 2]}" for number in range(80)]
    (folder / "data.csv").write_text("text,label\n" + "\n".join(rows))
    (folder / "more.txt").write_text("\n".join(text(number) for number in range(100, 160)))
    options = {"unlabelled": folder / "more.txt", "students": "linear.v1", "loss__name": "kl"}
    out = folder / "run"
    return understudy.distill(
        folder / "data.csv", teacher=judge, out=out, until="label", training__epochs=3, **options
    ).folder


@pytest.fixture
def tool(tmp_path, monkeypatch, open_tool):
    module = open_tool("pool_curve")
    for name, file in (("NUMBERS", "c.json"), ("PICTURE", "c.svg"), ("PAGE", "transfer.md")):
        monkeypatch.setattr(module, name, tmp_path / file)
    module.PAGE.write_text("<!-- pool-curve -->\n<!-- /pool-curve -->\n", encoding="utf-8")
    return module


def test_the_page_has_the_marks_once():
    text = (ROOT / "docs" / "transfer.md").read_text(encoding="utf-8")
    assert text.count("<!-- pool-curve -->") == text.count("<!-- /pool-curve -->") == 1


def test_points_picture_and_table(tool, run):
    tool.main([str(run), "--sizes", "10,40", "--seeds", "0,1", "--student", "linear.v1"])
    kept = json.loads(tool.NUMBERS.read_text(encoding="utf-8"))
    assert [(p["student"], p["size"], p["seed"]) for p in kept["points"]] == [
        ("linear.v1", size, seed) for size in (10, 40) for seed in (0, 1)
    ]
    assert all(0 <= p["test"] <= 1 for p in kept["points"])
    assert kept["pool"] == 60
    assert "linear.v1: " in tool.PICTURE.read_text(encoding="utf-8")
    page = tool.PAGE.read_text(encoding="utf-8")
    assert "| Pool | linear.v1 |" in page
    assert "mean ± standard deviation of 2 seeds" in page


def test_a_stopped_curve_continues_and_is_drawn_again(tool, run, monkeypatch):
    tool.main([str(run), "--sizes", "10", "--seeds", "0", "--student", "linear.v1"])
    first = tool.NUMBERS.read_text(encoding="utf-8")
    tool.main([])
    monkeypatch.setattr(tool.Lesson, "point", lambda *_: pytest.fail("it was measured already"))
    tool.main([str(run), "--sizes", "10", "--seeds", "0", "--student", "linear.v1"])
    assert tool.NUMBERS.read_text(encoding="utf-8") == first


def test_points_of_another_loss_are_not_mixed(tool, run):
    tool.main([str(run), "--sizes", "10", "--seeds", "0", "--student", "linear.v1"])
    kept = json.loads(tool.NUMBERS.read_text(encoding="utf-8"))
    kept["identity"][2]["alpha"] = 0.5
    tool.NUMBERS.write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(SystemExit, match="another run or loss"):
        tool.main([str(run), "--sizes", "10"])


def test_a_smaller_pool_is_part_of_a_larger_one(tool, run):
    lesson = tool.open_lesson(run)
    small, large, other = lesson.transfer(5, 0), lesson.transfer(20, 0), lesson.transfer(5, 1)
    trained = len(lesson.dataset.train)
    assert small.texts == large.texts[: trained + 5]
    assert len(set(large.texts)) == trained + 20
    assert other.texts[:trained] == small.texts[:trained]
    assert other.texts != small.texts
    np.testing.assert_allclose(large.soft, judge(large.texts))


def test_a_size_beyond_the_pool_is_refused(tool, run):
    with pytest.raises(SystemExit, match="has 60 texts, fewer than 61"):
        tool.main([str(run), "--sizes", "61"])


def test_means_and_deviations(tool):
    points = [{"student": "a", "size": 10, "seed": seed, "test": 0.8 + 0.02 * seed} for seed in range(3)]
    kept = {"metric": "accuracy", "points": points}
    assert tool.cell(kept, "a", 10) == "82.0 % ± 2.0"
    assert tool.cell(kept, "a", 20) == "–"
