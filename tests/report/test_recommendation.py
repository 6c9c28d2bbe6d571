"""Which student is recommended."""

import pytest

from understudy.report.recommendation import best, dev_score, recommended, twin
from understudy.report.record import ReportRow
from understudy.report.verdict import give_verdict

from .sample import document, make_report, row_with


def row_of(report, name):
    return next(row for row in report["rows"] if row["name"] == name)


def best_name(report):
    return recommended(document(report).rows).name


@pytest.fixture
def report():
    return make_report()


def test_best_is_chosen_on_dev_and_prefers_the_faster_of_equals(report):
    rows, slow, fast = report["rows"], row_of(report, "bilstm.v1"), row_of(report, "cbow.v1")
    assert best_name(report) == "bilstm.v1"
    fast["score"] = slow["score"] + 0.01
    assert best_name(report) == "bilstm.v1"  # test chooses nothing
    fast["curve"] = slow["curve"]
    assert best_name(report) == "cbow.v1"
    fast["curve"] = [{"dev_score": 0.9}, {"dev_score": 0.99}, {"dev_score": 0.5}]
    said = "cbow.v1 is the best of 4 students on dev (99.0 %); the test split was not used to choose."
    assert said in give_verdict(document(report)).details
    report["rows"] = [row for row in rows if row["role"] != "student"] + [slow, fast]
    assert "cbow.v1 is the better of two students on dev" in " ".join(give_verdict(document(report)).details)
    assert recommended([]) is None


def test_without_curves_the_score_has_to_choose(report):
    for name in ("bilstm.v1", "cbow.v1"):
        row_of(report, name)["curve"] = []
    assert best_name(report) == "bilstm.v1"
    assert "on dev" not in " ".join(give_verdict(document(report)).details)


def test_a_twin_is_found_by_name_then_by_size(report):
    student = ReportRow.from_dict(row_of(report, "cbow.v1"))
    assert twin(student, document(report).rows).name == "cbow.v1 labels only"
    row_of(report, "cbow.v1 labels only")["name"] = "cbow.v10"
    assert twin(student, document(report).rows).name == "cbow.v10"  # by its parameters
    row_of(report, "cbow.v10")["parameters"] = 1
    assert twin(student, document(report).rows) is None


def test_a_twin_may_bear_the_same_name(report):
    row_of(report, "cbow.v1 labels only")["name"] = "cbow.v1"
    student = ReportRow.from_dict(row_of(report, "cbow.v1"))
    assert twin(student, document(report).rows).role == "undistilled"


def test_a_twin_has_no_twin(report):
    rows = document(report).rows
    assert twin(next(row for row in rows if row.role == "undistilled"), rows) is None


def row(name, role, dev, **more):
    return row_with(name=name, role=role, student=name.split()[0], dev=dev, **more)


def test_a_student_worse_on_dev_than_its_twin_is_never_recommended():
    rows = [
        row("a.v1", "student", 0.80, score=0.99),
        row("a.v1 (labels only)", "undistilled", 0.81, score=0.10),
        row("b.v1", "student", 0.79),
        row("b.v1 (labels only)", "undistilled", 0.70),
    ]
    assert recommended(rows).name == "a.v1 (labels only)"
    assert recommended([rows[0], *rows[2:]]).name == "a.v1"  # nothing speaks against it
    assert recommended([row("a.v1", "student", 0.81), *rows[1:]]).name == "a.v1"  # it is no worse
    assert recommended(rows[1:]).name == "b.v1"
    assert best(rows, "student").name == "a.v1"


def test_a_twin_that_says_nothing_of_dev_takes_no_place():
    rows = [row("a.v1", "student", 0.8), row("a.v1 (labels only)", "undistilled", None, score=0.9)]
    assert recommended(rows).name == "a.v1"


def test_dev_counts_what_was_kept_after_the_curve():
    curve = ({"dev_score": 0.7}, {"dev_score": float("nan")})
    assert dev_score(row_with(curve=curve)) == 0.7
    assert dev_score(row_with(curve=curve, dev=0.9)) == 0.9
    assert dev_score(ReportRow(name="m", role="student", metric="accuracy", score=0.1)) == float("-inf")
