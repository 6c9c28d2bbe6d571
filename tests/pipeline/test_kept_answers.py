"""Answers that a run keeps, and comparisons that are made from them without a model."""

import numpy as np
import pytest

from understudy.core.manifest import publish
from understudy.core.task import Task
from understudy.data.dataset import Dataset, Split
from understudy.pipeline.kept_answers import (
    KeptAnswers,
    compared,
    folder_of,
    read_answers,
    with_comparisons,
    write_answers,
)
from understudy.report.record import ReportRow

TASK = Task(("bad", "good"))
GOLD = np.arange(60) % 2
ROLES = {"big": "teacher", "cbow.v1": "student", "cbow.v1 (labels only)": "undistilled"}
WRONG = {"big": 3, "cbow.v1": 9, "cbow.v1 (labels only)": 20}
"""How many of the first test texts each predictor gets wrong."""


def dataset(train=10, test=60):
    def split(number):
        return Split(tuple(f"text {i}" for i in range(number)), GOLD[:number])

    return Dataset("toy", TASK, split(train), split(10), split(test), source="here")


def answers(name, task=TASK):
    given = np.where(np.arange(60) < WRONG[name], 1 - GOLD, GOLD)
    return KeptAnswers(task, np.eye(2, dtype=np.float32)[given])


@pytest.fixture
def rows():
    facts = {"student": "cbow.v1", "metric": "accuracy", "score": 0.5}
    return [ReportRow.from_dict({"name": name, "role": role, **facts}) for name, role in ROLES.items()]


@pytest.fixture
def folder(tmp_path):
    for name, role in ROLES.items():
        with publish(folder_of(tmp_path, role, name), {"name": name}) as aside:
            write_answers(aside, answers(name))
    return tmp_path


def test_what_is_written_is_read_with_the_thresholds_of_its_own(tmp_path):
    task = Task(("bad", "good"), "multilabel", thresholds=(0.25, 0.5))
    write_answers(tmp_path, answers("big", task))
    again = read_answers(tmp_path, Task(("bad", "good"), "multilabel"))
    assert again.task == task
    # exact: a file that was written and read
    np.testing.assert_array_equal(again.logits, answers("big").logits)


def test_an_old_run_is_compared_from_its_kept_answers(rows, folder):
    _, student, twin = with_comparisons(rows, folder, dataset(), seed=0)
    assert student.against_teacher["name"] == "big"
    assert student.against_teacher["difference"] == pytest.approx(-0.1)
    assert student.against_undistilled["difference"] == pytest.approx(11 / 60)
    assert student.against_baseline is twin.against_undistilled is None
    assert twin.against_teacher["difference"] == pytest.approx(-17 / 60)
    assert student == compared(rows, [answers(name) for name in ROLES], dataset(), 0)[1]


def test_what_is_compared_already_stays(rows, folder):
    done = compared(rows, [answers(name) for name in ROLES], dataset(), 1)
    assert with_comparisons(done, folder, dataset(), seed=0) is done


@pytest.mark.parametrize("missing", ["a folder", "a file", "all", "a train split", "test texts"])
def test_without_fitting_answers_an_old_run_stays_as_it_is(rows, folder, tmp_path, missing):
    place = folder_of(folder, "teacher", "big")
    if missing == "a folder":
        place.rename(tmp_path / "elsewhere")
    if missing == "a file":
        (place / "logits.npy").unlink()
    data = dataset(train=0 if missing == "a train split" else 10, test=50 if missing == "test texts" else 60)
    assert with_comparisons(rows, tmp_path / "none" if missing == "all" else folder, data, seed=0) is rows
