"""A new kind of teacher is one file: this one. Nothing else knows it, and every stage works with it."""

from dataclasses import dataclass

import numpy as np
import pytest
from plain_settings import PLAIN

from understudy.pipeline import teacher as kinds
from understudy.pipeline.distillation import distill
from understudy.pipeline.teacher import Labelled, RunTeacher, teacher_kind
from understudy.targets.store import LogitStore


@dataclass(frozen=True)
class CountingLabeller:
    """Answers by counting words; a text of one word has no usable answer."""

    task: object
    fingerprint: str = "counting words"

    def label(self, first, pool, folder):
        store = LogitStore(folder, teacher=self.fingerprint, labels=self.task.labels)
        wanted = list(dict.fromkeys([*first, *pool]))
        new = [item for item in store.missing(wanted) if len(item.split()) > 1]
        if new:
            good = [float(item.count("good") + item.count("great")) for item in new]
            store.append(new, np.array([[0.5, score] for score in good], dtype=np.float32))
        aside = sum(len(item.split()) < 2 for item in wanted)
        return Labelled(
            len(wanted),
            len(wanted) - aside,
            len(new),
            self.fingerprint,
            aside,
            notes=("Words were counted.",),
        )


@dataclass(frozen=True)
class CountingTeacher:
    """A teacher whose answers are kept, and which no other process can open."""

    name: str = "counter"
    key: str = "1f2e3d4c5b6a79880011223344556677"
    spec: object = None
    members: tuple = ()
    is_kept: bool = True
    is_paid: bool = False

    def soft_key(self, found):
        return [self.key, found]

    def open(self, task, progress, seed):
        return CountingLabeller(task)

    def set_aside(self, folder):
        return {"alone": "it has one word"}

    def cost(self, folder):
        return 0.0


@pytest.fixture
def counting(monkeypatch):
    """The toy kind is registered for one test."""
    monkeypatch.setattr(kinds, "KINDS", [])

    @teacher_kind
    def make(recipe, task, folder, function):
        return CountingTeacher() if recipe.teacher.callable == "toy:counter" else None

    import understudy.pipeline.teacher_kinds  # noqa: F401 -- already imported or not: the toy must be found


def test_a_toy_teacher_goes_through_every_stage(toy, tmp_path, counting):
    rows = [f"{text},{'good' if label else 'bad'}" for text, label in zip(*toy(120), strict=True)]
    (tmp_path / "data.csv").write_text("text,label\n" + "\n".join(rows) + "\nalone,bad\n")
    (tmp_path / "more.txt").write_text("\n".join(toy(40, seed=1)[0]))
    options = {
        "unlabelled": str(tmp_path / "more.txt"),
        "teacher__callable": "toy:counter",
        **PLAIN,
        "students": "cbow.v1",
        "training__epochs": 2,
        "out": tmp_path / "run",
    }
    teacher: RunTeacher = CountingTeacher()

    result = distill(str(tmp_path / "data.csv"), **options)

    rows = {row["role"]: row for row in result.report["rows"]}
    assert rows["teacher"]["name"] == teacher.name
    assert rows["teacher"]["latency_us"] is None
    assert rows["student"]["agreement"] is not None
    assert "Words were counted." in result.report["data"]["notes"]
    assert (result.folder / "logits" / teacher.key[:16]).is_dir()

    said = []
    distill(str(tmp_path / "data.csv"), **options, progress=Listening(said))
    assert any("label: all" in sentence and "skipped" in sentence for sentence in said)


class Listening:
    """Keeps what is said."""

    def __init__(self, said):
        self.said = said

    def say(self, sentence):
        self.said.append(sentence)

    def bar(self, what, total, unit):
        from understudy.core.progress import Silent

        return Silent().bar(what, total, unit)
