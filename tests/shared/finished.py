"""Runs that look finished: data, answers and a report, written in a moment; no model is behind them."""

import json

import numpy as np

from understudy.core.manifest import publish
from understudy.core.task import Task
from understudy.data.dataset import Dataset, Split, save_dataset
from understudy.pipeline.kept_answers import KeptAnswers, compared, folder_of, write_answers
from understudy.report.record import ReportDocument, ReportRow

TASK = Task(("bad", "good"))
TESTS = 200
GOLD = np.arange(TESTS) % 2

WRONG = {"teacher": 10, "student": 20, "undistilled": 30, "baseline": 50}
"""How many of the first test texts each predictor gets wrong."""

NAMES = {"teacher": "big", "student": "a.v1", "undistilled": "a.v1 (labels only)", "baseline": "TF-IDF + LR"}


def data(train=40):
    def split(number, name):
        return Split(tuple(f"{name} text {i}" for i in range(number)), np.arange(number) % 2)

    return Dataset("toy", TASK, split(train, "train"), split(20, "dev"), split(TESTS, "test"), source="here")


def answers(wrong):
    given = np.where(np.arange(TESTS) < wrong, 1 - GOLD, GOLD)
    return KeptAnswers(TASK, np.eye(2, dtype=np.float32)[given])


def row(role, wrong, dev):
    right = (TESTS - wrong) / TESTS
    retention = None if role == "teacher" else right / (1 - WRONG["teacher"] / TESTS)
    student = "a.v1" if role in ("student", "undistilled") else NAMES[role]
    facts = {"metric": "accuracy", "score": right, "retention": retention, "student": student, "dev": dev}
    return ReportRow(name=NAMES[role], role=role, **facts)


def write_run(folder, *, dev=(0.9, 0.85), is_compared=True, recipe=None, facts=None, **wrong):
    """Write a finished run.

    Args:
        folder: Its folder, which shall not exist.
        dev: Score on dev of the student and of its twin.
        is_compared: Whether the report has the paired comparisons.
        recipe: The recipe in the report.
        facts: What ``student.json`` says of the student's training.
        wrong: Role → how many test texts it gets wrong, where that is not `WRONG`.
    """
    wrong, devs = WRONG | wrong, dict(zip(("student", "undistilled"), dev, strict=True))
    dataset = data()
    save_dataset(dataset, folder / "data")
    rows = [row(role, count, devs.get(role)) for role, count in wrong.items()]
    given = [answers(count) for count in wrong.values()]
    for each, kept in zip(rows, given, strict=True):
        with publish(folder_of(folder / "answers", each.role, each.name), {}) as aside:
            write_answers(aside, kept)
    rows = compared(rows, given, dataset, 0) if is_compared else rows

    sizes = {"train": 40, "dev": 20, "test": TESTS, "unlabelled": 0, "transfer": 40}
    report = ReportDocument(
        schema=1, name=folder.name, created="", understudy_version="0", task=TASK, stages=(), rows=rows,
        data={"name": "toy", "source": "here", "fingerprint": "0", "sizes": sizes, "notes": []},
        machine={}, disagreements={}, recipe=recipe or {},
    )  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report.to_dict(), default=list), encoding="utf-8")
    if facts is not None:
        (folder / "train" / "a.v1").mkdir(parents=True)
        (folder / "train" / "a.v1" / "student.json").write_text(json.dumps({"facts": facts}))
