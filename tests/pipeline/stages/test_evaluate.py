import json

import numpy as np
import pytest

from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.data.dataset import Dataset, Split
from understudy.pipeline.predictors import PredictorSpec
from understudy.pipeline.stage_cache import StageCache
from understudy.pipeline.stages import evaluate as stage
from understudy.pipeline.stages.evaluate import EVALUATION, ReportEntry, assess_entries
from understudy.report.record import ReportRow

TASK = Task(("bad", "good"))
GOLD = np.arange(200) % 2
COST = {
    "parameters": 10,
    "size_bytes": 100,
    "latency_us": {"p50": 2.0, "p95": 3.0, "p99": 4.0},
    "call_us": 0.05,
    "throughput_per_s": 1e6,
    "throughput_range": [9e5, 1.1e6],
    "threads": 1,
    "peak_memory_bytes": 1000,
}
WRONG = {"big": 10, "cbow.v1": 18, "cbow.v1 (labels only)": 40, "TF-IDF + LR": 60}
"""How many of the 200 test texts each predictor gets wrong; the worse ones get the better ones' wrong too."""


class Answers:
    def __init__(self, wrong):
        self.task, self.wrong = TASK, wrong

    def logits(self, texts):
        right = np.where(np.arange(len(texts)) < self.wrong, 1 - GOLD[: len(texts)], GOLD[: len(texts)])
        return np.eye(2, dtype=np.float32)[right]


def split(number):
    texts = tuple(f"text {i}" for i in range(number))
    return Split(texts, GOLD[:number])


@pytest.fixture
def assessed(tmp_path, monkeypatch):
    class Opened:
        def __init__(self, order):
            self.predictor = Answers(WRONG[order.location])

    monkeypatch.setattr(stage, "open_predictor", lambda order, task: Opened(order))
    monkeypatch.setattr(stage, "measure_apart", lambda *_, **__: COST)

    def rows(train=20):
        data = Dataset("toy", TASK, split(train), split(20), split(200), source="here")
        roles = zip(WRONG, ("teacher", "student", "undistilled", "baseline"), strict=True)
        entries = [ReportEntry(name, role, PredictorSpec("callable", name), name) for name, role in roles]
        assess_entries(entries, data, tmp_path / "evaluation", StageCache(tmp_path, Silent()), seed=0)
        document = json.loads((tmp_path / "evaluation" / EVALUATION).read_text(encoding="utf-8"))
        return [ReportRow.from_dict(row) for row in document["rows"]]

    return rows


def test_a_student_is_compared_with_teacher_twin_and_baseline_on_the_same_resamples(assessed):
    teacher, student, twin, baseline = assessed()
    compared = [student.against_teacher, student.against_undistilled, student.against_baseline]
    assert [each["name"] for each in compared] == ["big", "cbow.v1 (labels only)", "TF-IDF + LR"]
    assert [each["difference"] for each in compared] == pytest.approx([-0.04, 0.11, 0.21])
    # The two intervals of accuracy overlap, but every difference is on the same texts.
    assert teacher.ci95[0] < student.ci95[1]
    low, high = student.against_teacher["interval"]
    assert -0.08 < low < high < 0
    assert teacher.against_teacher is twin.against_undistilled is baseline.against_baseline is None
    assert twin.against_teacher["difference"] == pytest.approx(twin.score - teacher.score)


def test_rows_are_related_to_the_teacher(assessed):
    teacher, student, *_ = assessed()
    assert (teacher.retention, teacher.speedup, teacher.compression) == (None, None, None)
    assert student.retention == pytest.approx(0.91 / 0.95)
    assert (student.speedup, student.compression, student.call_us) == (1.0, 1.0, 0.05)
    assert [teacher.pareto, student.pareto] == [True, False]
    assert student.student == "cbow.v1"


def test_without_a_train_split_the_teacher_is_not_what_one_falls_short_of(assessed):
    _, student, *_ = assessed(train=0)
    assert student.retention is None
    assert student.against_teacher is None
    assert student.against_baseline is not None
