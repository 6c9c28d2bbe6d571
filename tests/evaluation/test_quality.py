import json

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import DataError, TeacherError
from understudy.evaluation.intervals import bootstrap_interval
from understudy.evaluation.metrics import scores
from understudy.evaluation.quality import assess, retention

TASK = Task(("bad", "fair", "good"), metric="mcc")


def example(seed=0, n=120):
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, n)
    logits = rng.normal(size=(n, 3)).astype(np.float32)
    logits[np.arange(n), gold] += 2
    return gold, logits


ITEMS = [f"text {i}" for i in range(120)]


def test_quality_joins_what_its_parts_say():
    gold, logits = example()
    found = assess(TASK, ITEMS, gold, logits, seed=3)
    assert (found.metric, found.items, found.rows) == ("mcc", 120, 120)
    assert found.ci95 == bootstrap_interval(TASK, gold, logits.argmax(1), seed=3)
    assert found.macro_f1_ci95 == bootstrap_interval(TASK, gold, logits.argmax(1), seed=3, metric="macro_f1")
    assert found.ci95.low < found.score < found.ci95.high
    assert found.metrics == scores(TASK, gold, logits.argmax(1))
    assert (found.score, found.macro_f1) == (found.metrics["mcc"], found.metrics["macro_f1"])
    assert list(found.per_label) == ["bad", "fair", "good"]
    assert found.macro_f1 == pytest.approx(np.mean(list(found.per_label.values())))
    assert np.array(found.confusion).sum(axis=1).tolist() == np.bincount(gold).tolist()
    assert found.agreement is None
    assert found.disagreements == ()


def test_quality_beside_a_teacher():
    gold, logits = example()
    _, teacher = example(seed=0)
    teacher[:12] = np.roll(teacher[:12], 1, axis=1)
    found = assess(TASK, ITEMS, gold, logits, seed=0, teacher_logits=teacher)
    assert found.agreement == pytest.approx(0.9)
    assert len(found.disagreements) == 12


def of_kind(kind):
    """Task, items, gold and logits that are mostly right."""
    rng = np.random.default_rng(0)
    if kind == "regression":
        gold = rng.random(30) * 4
        task = Task(("score",), kind, bounds=(0, 4))
        return task, ITEMS[:30], gold, (gold[:, None] / 4 + 0.1 * rng.normal(size=(30, 1))).astype(np.float32)
    if kind == "bins":
        gold = rng.integers(0, 5, 30) / 2
        task = Task(("0", "0.5", "1", "1.5", "2"), "regression", "spearman")
        logits = rng.normal(size=(30, 5)) - 4 * np.abs(gold[:, None] - task.centres)
        return task, ITEMS[:30], gold, logits.astype(np.float32)
    if kind == "multilabel":
        gold = (rng.random((30, 3)) < 0.4).astype(np.float32)
        task = Task(("a", "b", "c"), kind, thresholds=(0.5, 0.3, 0.7))
        return task, ITEMS[:30], gold, (3 * gold - 1.5 + rng.normal(size=gold.shape)).astype(np.float32)
    labels = ("O", "B-X", "I-X", "B-Y") if kind == "spans" else ("N", "V", "A", "X")
    task = Task(labels, "tagging", "span_f1" if kind == "spans" else "accuracy")
    items = [("word",) * n for n in rng.integers(1, 6, 30)]
    gold = rng.integers(0, 4, sum(map(len, items)))
    logits = rng.normal(size=(len(gold), 4)).astype(np.float32)
    logits[np.arange(len(gold)), gold] += 2
    return task, items, gold, logits


@pytest.mark.parametrize(
    ("kind", "metrics", "labels", "has_confusion", "has_calibration"),
    [
        ("regression", ["pearson", "spearman"], [], False, False),
        ("bins", ["pearson", "spearman"], [], False, True),
        ("multilabel", ["micro_f1", "macro_f1"], ["a", "b", "c"], False, True),
        ("spans", ["span_f1", "macro_f1", "accuracy"], ["X", "Y"], True, True),
        ("tags", ["macro_f1", "accuracy"], ["N", "V", "A", "X"], True, True),
    ],
)
def test_quality_of_every_kind_has_the_parts_it_can_have(
    kind, metrics, labels, has_confusion, has_calibration
):
    task, items, gold, logits = of_kind(kind)
    teacher = logits + np.random.default_rng(1).normal(size=logits.shape).astype(np.float32)
    found = assess(task, items, gold, logits, seed=0, teacher_logits=teacher)
    assert (found.items, found.rows) == (30, len(logits))
    assert list(found.metrics) == metrics
    assert found.score == found.metrics[task.metric]
    assert found.ci95.low <= found.score <= found.ci95.high
    assert list(found.per_label) == labels
    assert (found.macro_f1 is None) == (found.macro_f1_ci95 is None) == (not labels)
    assert (found.confusion is not None) == has_confusion
    assert (found.calibration is not None) == has_calibration
    assert 0 < found.agreement < 1
    assert found.disagreements
    document = found.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_teacher_answers_by_its_own_thresholds():
    task, items, gold, logits = of_kind("multilabel")
    strict = Task(task.labels, task.kind, thresholds=(0.99, 0.99, 0.99))
    assert assess(task, items, gold, logits, seed=0, teacher_logits=logits).agreement == 1
    other = assess(task, items, gold, logits, seed=0, teacher_logits=logits, teacher_task=strict)
    assert other.agreement < 1


def test_quality_is_json_ready():
    gold, logits = example()
    found = assess(TASK, ["x"] * 120, gold, logits, seed=0, teacher_logits=-logits)
    document = found.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["ci95"] == [found.ci95.low, found.ci95.high]
    assert document["calibration"]["bins"][0] == list(found.calibration.bins[0])
    assert document["disagreements"][0]["text"] == "x"


def test_wrong_logits_are_refused():
    gold, logits = example()
    with pytest.raises(DataError, match=r"\(120, 3\), but have \(119, 3\)"):
        assess(TASK, ITEMS, gold, logits[1:], seed=0)
    broken = logits.copy()
    broken[4, 1] = np.nan
    with pytest.raises(DataError, match="row 4 for label 'fair' is nan"):
        assess(TASK, ITEMS, gold, broken, seed=0)
    with pytest.raises(DataError, match="row 4"):
        assess(TASK, ITEMS, gold, logits, seed=0, teacher_logits=broken)


def test_retention():
    assert retention(0.72, 0.9) == pytest.approx(0.8)
    with pytest.raises(TeacherError, match="scores 0"):
        retention(0.5, 0.0)
