"""The table of runs of the plain command."""

import json
from pathlib import Path

import pytest
from finished import write_run

ROOT = Path(__file__).parents[2]
LOSS = {"name": "kl", "temperature": 2.0, "alpha": 0.5, "noise": 0.0, "layers": 0.0}


@pytest.fixture
def tool(tmp_path, monkeypatch, open_tool):
    module = open_tool("plain")
    monkeypatch.setattr(module, "PAGE", tmp_path / "results.md")
    module.PAGE.write_text("before\n<!-- plain -->\nold\n<!-- /plain -->\nafter\n", encoding="utf-8")
    return module


def written(tool, folder):
    tool.main(str(folder))
    return tool.PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_marks_once():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert text.count("<!-- plain -->") == text.count("<!-- /plain -->") == 1


def test_a_page_without_marks_is_refused(tool, tmp_path):
    write_run(tmp_path / "runs" / "a")
    tool.PAGE.write_text("nothing", encoding="utf-8")
    with pytest.raises(SystemExit, match="plain"):
        tool.main(str(tmp_path / "runs"))


def test_a_folder_without_a_finished_run_is_refused(tool, tmp_path):
    (tmp_path / "runs" / "begun").mkdir(parents=True)
    with pytest.raises(SystemExit, match="no run is finished"):
        tool.main(str(tmp_path / "runs"))


def test_a_run_is_a_line(tool, tmp_path):
    write_run(tmp_path / "runs" / "set-a", facts={"kept": "mix"}, recipe={"loss": {"name": "mse"}})
    text = written(tool, tmp_path / "runs")
    assert text.startswith("before\n<!-- plain -->\n")
    assert text.endswith("<!-- /plain -->\nafter\n")
    assert "old" not in text
    cells = next(line for line in text.splitlines() if line.startswith("| set-a")).split(" | ")
    assert cells[1:6] == ["classification", "40", "accuracy", "95.0 %", "75.0 %"]
    assert cells[6:8] == ["a.v1 85.0 % → 90.0 % (mix)", "a.v1 90.0 %"]
    assert cells[8].startswith("+15.0 (+1")
    assert cells[9].startswith("−5.0 (−")
    assert cells[10:] == ["94.7 %", "mse; random; no pool |"]


def test_an_untaught_twin_is_recommended_and_compared_from_kept_answers(tool, tmp_path):
    write_run(tmp_path / "runs" / "a", dev=(0.8, 0.9), is_compared=False, undistilled=60)
    text = written(tool, tmp_path / "runs")
    assert "| a.v1 (labels only) 70.0 % | −5.0 (−" in text
    assert "clearly worse on 1 (a)." in text


def test_dev_after_the_pass_over_gold_labels_counts(tool, tmp_path):
    write_run(tmp_path / "runs" / "a", dev=(None, 0.9), facts={"dev": 0.95})
    assert "| a.v1 90.0 % |" in written(tool, tmp_path / "runs")


def test_choice_and_method_of_the_teacher_are_named(tool, tmp_path):
    folder = tmp_path / "runs" / "a"
    write_run(folder)
    trial = {"what": "loss", "name": "kl", "dev": 0.5, "seconds": 1.0}
    choice = {
        "loss": LOSS,
        "embeddings": "teacher-static",
        "racer": "x",
        "trials": [trial],
    }
    for name, content in (
        ("choice/choice.json", choice),
        ("pool-budget/budget.json", {"passes": 2}),
        ("teacher/finetuning.json", {"comparison": {"chosen": "contrastive"}}),
    ):
        (folder / name).parent.mkdir()
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    text = written(tool, tmp_path / "runs")
    assert "| 95.0 % (contrastive) |" in text
    assert "| kl, T = 2, half gold; teacher-static; made pool |" in text


def test_the_summary_counts(tool, tmp_path):
    write_run(tmp_path / "runs" / "a")
    write_run(tmp_path / "runs" / "b", baseline=20)
    write_run(tmp_path / "runs" / "c", baseline=5)
    assert (
        "Of 3 sets, the recommended student is clearly better than the linear model on 1, within noise on 1, "
        "clearly worse on 1 (c)."
    ) in written(tool, tmp_path / "runs")
