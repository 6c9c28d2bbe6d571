"""The curve of pruning, from the trained students of a run."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.data.dataset import Dataset, Split, save_dataset
from understudy.students import build
from understudy.tokenization.ngrams import build_ngrams
from understudy.tokenization.words import build_vocabulary
from understudy.training.torch_student import TorchStudent, Trained, save_trained

ROOT = Path(__file__).parents[2]
TASK = Task(("bad", "good"))


@pytest.fixture
def tool(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("prune_curve", ROOT / "tools" / "prune_curve.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where a dataclass looks for its module
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PAGE", tmp_path / "page.md")
    real = module.measure
    monkeypatch.setattr(
        module, "measure", lambda *given, **more: real(*given, **more, min_seconds=0, warmup_s=0, repeats=1)
    )
    return module


@pytest.fixture
def run(tmp_path, toy):
    """A run with a student that knows the words it needs, its twin, and one that cannot be pruned."""
    splits = {name: Split(*toy(60, seed=seed)) for seed, name in enumerate(("train", "dev", "test"))}
    splits = {name: Split(tuple(split.texts), np.asarray(split.labels)) for name, split in splits.items()}
    save_dataset(Dataset("toy", TASK, **splits), tmp_path / "run" / "data")

    texts = splits["train"].texts
    vocabulary = build_ngrams(build_vocabulary(texts, 40), texts, longest=2, most=40)
    module = build("linear.v1", 2, seed=0, vocabulary_size=len(vocabulary), direct=2).eval()
    for text, label in zip(texts, splits["train"].labels, strict=True):
        module.encoder.rows.data[vocabulary.encode(text), int(label)] += 0.05
    for name in ("linear.v1", "linear.v1.gold"):
        student = TorchStudent("linear.v1", module, vocabulary, TASK)
        save_trained(Trained(student, (), 0.0), tmp_path / "run" / "train" / name, {})

    other = build("cbow.v1", 2, seed=0, vocabulary_size=40, width=4, hidden=4).eval()
    other = TorchStudent("cbow.v1", other, build_vocabulary(texts, 40), TASK)
    save_trained(Trained(other, (), 0.0), tmp_path / "run" / "train" / "cbow.v1", {})
    return tmp_path / "run"


def test_the_page_has_the_marks_once(tool):
    text = (ROOT / "docs" / "quantisation.md").read_text(encoding="utf-8")
    assert tool.place(tool.place(text, "x"), "y") == tool.place(text, "y")


def test_the_curve_of_each_student_is_written_between_the_marks(tool, run):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    tool.PAGE.write_text(f"before\n{tool.START}\nold\n{tool.END}\nafter\n", encoding="utf-8")
    tool.main(run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before

    written = tool.PAGE.read_text(encoding="utf-8")
    assert written.startswith(
        "before\n<!-- prune-curve -->\n| student | rows kept | rows | accuracy on test |"
    )
    assert written.endswith("<!-- /prune-curve -->\nafter\n")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in written.splitlines() if "%" in line]
    assert [row[1] for row in rows] == ["100 %", "30 %", "10 %", "3 %", "1 %"]
    assert rows[0][0] == "`linear.v1`"
    assert rows[0][4] == "100.0 %"
    kept = [int(row[2]) for row in rows]
    assert kept == [max(3, -(-kept[0] * share // 100)) for share in (100, 30, 10, 3, 1)]
    scores, sizes = [float(row[3]) for row in rows], [float(row[5].split()[0]) for row in rows]
    assert scores[0] > 80 > 70 > scores[-1]
    assert sizes == sorted(sizes, reverse=True)
    assert all(float(row[6]) > 0 for row in rows)
    assert "`toy`" in written


def test_what_is_missing_is_told_before_anything_is_measured(tool, run):
    tool.PAGE.write_text("no marks", encoding="utf-8")
    with pytest.raises(SystemExit, match="prune-curve"):
        tool.main(run)
    (run / "train" / "linear.v1" / "student.json").unlink()
    with pytest.raises(SystemExit, match="no student whose rows can be left out"):
        list(tool.points(run))
