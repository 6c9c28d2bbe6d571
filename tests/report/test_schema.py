import copy

import pytest

from understudy.errors import UnderstudyError
from understudy.report.schema import check_report

from .sample import TASKS, make_report, make_report_of

REPORT = make_report(3, 2)


def places(value, path=()):
    """Every key that a report must have, as a path."""
    if path in {(), ("task",), ("data",), ("machine",), ("rows", 0), ("stages", 1)}:
        for key in value:
            yield (*path, key)
            yield from places(value[key], (*path, key))
    elif path in {("rows",), ("stages",)}:
        for number, item in enumerate(value):
            yield from places(item, (*path, number))


@pytest.mark.parametrize("path", sorted(set(places(REPORT)), key=str), ids=str)
def test_a_missing_key_is_named(path):
    report = copy.deepcopy(REPORT)
    part = report
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    with pytest.raises(UnderstudyError, match=f"lacks '{path[-1]}'"):
        check_report(report)


def test_a_whole_report_passes():
    check_report(REPORT)


def change(path, value):
    report = copy.deepcopy(REPORT)
    part = report
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return report


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), 2, "schema 2.*writes 1"),
        (("rows",), [], "no rows"),
        (("rows",), ["x"], r"report.rows\[0\] must be a mapping.*'x'"),
        (("task",), None, "report.task must be a mapping"),
        (("rows", 0, "role"), "techer", "unknown role 'techer'. Did you mean 'teacher'"),
        (("rows", 1, "score"), None, r"report.rows\[1\].score is null"),
        (("rows", 1, "score"), float("nan"), r"rows\[1\].score is not a finite number"),
        (("machine", "memory_gib"), float("inf"), "machine.memory_gib is not a finite number"),
        (("rows", 0, "confusion"), [[1, 2], [3, 4]], "must be 3 by 3.*has 2 rows"),
        (("task", "kind"), "clasification", "Unknown kind of task 'clasification'.*'classification'"),
        (("task", "metric"), "pearson", "Unknown metric 'pearson'"),
        (("rows", 1, "against_baseline"), {"name": "x"}, r"rows\[1\].against_baseline lacks 'difference'"),
        (("rows", 0, "calibration"), {"ece": 0.1}, "calibration lacks 'bins'"),
        (("disagreements",), {"cbow.v1": [{"text": "x"}]}, r"disagreements\['cbow.v1'\]\[0\] lacks 'gold'"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_its_place(path, value, message):
    with pytest.raises(UnderstudyError, match=message):
        check_report(change(path, value))


@pytest.mark.parametrize("key", ["ci95", "retention", "agreement", "latency_us", "confusion", "calibration"])
def test_null_is_allowed_where_nothing_was_measured(key):
    check_report(change(("rows", 0, key), None))


@pytest.mark.parametrize("kind", TASKS)
def test_reports_of_every_kind_pass(kind):
    check_report(make_report_of(kind))
