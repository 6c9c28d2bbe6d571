import json

import numpy as np
import pytest

from understudy.errors import DataError, TeacherError
from understudy.evaluation.intervals import bootstrap_interval
from understudy.evaluation.quality import assess, retention
from understudy.task import Task

TASK = Task(("bad", "fair", "good"), metric="mcc")


def example(seed=0, n=120):
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, n)
    logits = rng.normal(size=(n, 3)).astype(np.float32)
    logits[np.arange(n), gold] += 2
    return gold, logits


def test_quality_joins_what_its_parts_say():
    gold, logits = example()
    found = assess(TASK, gold, logits, seed=3)
    assert (found.metric, found.texts) == ("mcc", 120)
    assert found.ci95 == bootstrap_interval("mcc", gold, logits.argmax(1), 3, seed=3)
    assert found.macro_f1_ci95 == bootstrap_interval("macro_f1", gold, logits.argmax(1), 3, seed=3)
    assert found.ci95.low < found.score < found.ci95.high
    assert list(found.per_label) == ["bad", "fair", "good"]
    assert found.macro_f1 == pytest.approx(np.mean(list(found.per_label.values())))
    assert np.array(found.confusion).sum(axis=1).tolist() == np.bincount(gold).tolist()
    assert found.agreement is None
    assert found.disagreements == ()


def test_quality_beside_a_teacher():
    gold, logits = example()
    _, teacher = example(seed=0)
    teacher[:12] = np.roll(teacher[:12], 1, axis=1)
    texts = [f"text {i}" for i in range(120)]
    found = assess(TASK, gold, logits, seed=0, texts=texts, teacher_logits=teacher)
    assert found.agreement == pytest.approx(0.9)
    assert len(found.disagreements) == 12
    assert assess(TASK, gold, logits, seed=0, teacher_logits=teacher).disagreements == ()


def test_quality_is_json_ready():
    gold, logits = example()
    found = assess(TASK, gold, logits, seed=0, texts=["x"] * 120, teacher_logits=-logits)
    document = found.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["ci95"] == [found.ci95.low, found.ci95.high]
    assert document["calibration"]["bins"][0] == list(found.calibration.bins[0])
    assert document["disagreements"][0]["text"] == "x"


def test_wrong_logits_are_refused():
    gold, logits = example()
    with pytest.raises(DataError, match=r"\(120, 3\), but have \(119, 3\)"):
        assess(TASK, gold, logits[1:], seed=0)
    broken = logits.copy()
    broken[4, 1] = np.nan
    with pytest.raises(DataError, match="text 4 for label 'fair' is nan"):
        assess(TASK, gold, broken, seed=0)
    with pytest.raises(DataError, match="text 4"):
        assess(TASK, gold, logits, seed=0, teacher_logits=broken)


def test_retention():
    assert retention(0.72, 0.9) == pytest.approx(0.8)
    with pytest.raises(TeacherError, match="scores 0"):
        retention(0.5, 0.0)
