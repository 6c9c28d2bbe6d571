import json

import pytest

from understudy.core.task import Task
from understudy.report.record import ROLES, ReportDocument, ReportRow

from .sample import TASKS, make_report, make_report_of, row_with


@pytest.mark.parametrize("kind", [None, *TASKS])
def test_a_document_goes_out_as_it_came_in(kind):
    report = make_report() if kind is None else make_report_of(kind)
    record = ReportDocument.from_dict(report)
    written = json.loads(json.dumps(record.to_dict()))
    assert ReportDocument.from_dict(written) == record
    assert Task.from_dict(written["task"]) == Task.from_dict(report["task"])
    for key in set(report) - {"rows", "task"}:
        assert written[key] == report[key], key
    for row, original in zip(written["rows"], report["rows"], strict=True):
        assert {key: row[key] for key in original} == original


def test_keys_of_other_versions_are_left_out_and_missing_ones_are_none():
    row = ReportRow.from_dict({"name": "a", "role": "student", "metric": "mcc", "score": 0.5, "mood": "good"})
    assert row == row_with(name="a", metric="mcc")
    assert "mood" not in row.to_dict()
    assert row.latency_us is None
    assert list(row.curve) == []


def test_what_was_not_compared_or_counted_is_left_out():
    without = row_with().to_dict()
    assert not {"against_teacher", "quantisation", "call_us", "start", "steps"} & set(without)
    assert {"thresholds", "retention", "ci95"} <= set(without)
    trained = row_with(steps=5, convergence_steps=3).to_dict()
    assert (trained["start"], trained["steps"], trained["convergence_steps"]) == (None, 5, 3)


def test_parts_of_a_row():
    compared = {"name": "t", "difference": 0.1, "interval": [0.0, 0.2], "share_not_better": 0.1}
    bins = [
        {"confidence": 0.5, "accuracy": 1.0, "count": 0},
        {"confidence": 0.9, "accuracy": 0.8, "count": 4},
    ]
    row = row_with(
        against_teacher=compared,
        calibration={"ece": 0.1, "bins": bins},
        latency_us={"p50": 1.0, "p95": 2.0, "p99": 3.0},
    )
    assert {role: row.against(role) for role in ROLES} == dict.fromkeys(ROLES) | {"teacher": compared}
    assert (row.ece, row.bins) == (0.1, bins[1:])
    assert row.latency("p95") == 2.0
    nothing = row_with()
    assert (nothing.ece, list(nothing.bins), nothing.latency("p50")) == (None, [], None)


def test_whose_answers_the_labels_are():
    report = make_report()
    assert not ReportDocument.from_dict(report).is_judged_by_teacher
    report["data"]["labels_from"] = "the teacher"
    assert ReportDocument.from_dict(report).is_judged_by_teacher
