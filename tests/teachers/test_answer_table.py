"""Tables of answers: what cannot be soft targets is refused by row, and what is not read is said."""

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import TeacherError
from understudy.targets.labelling import label
from understudy.targets.store import LogitStore
from understudy.teachers.answer_table import logits_of_values, read_table_teacher
from understudy.teachers.configs import TableConfig

TASK = Task(("bad", "good"))


def table(tmp_path, *lines, name="answers.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_probabilities_become_centred_logits(tmp_path):
    path = table(tmp_path, "text,bad,good", "a film,0.25,0.75", "a room,0.5,0.5")
    teacher = read_table_teacher(TableConfig(path, values="probabilities"), TASK)
    expected = np.log([[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(
        teacher.logits(["a film", "a room"]), expected - expected.mean(axis=1, keepdims=True), rtol=1e-5
    )
    assert teacher.notes == ()


@pytest.mark.parametrize("row", ["0.6,0.6", "0.3,0.3", "0,0", "1,1"])
def test_probabilities_that_do_not_add_up_are_refused_by_row(tmp_path, row):
    path = table(tmp_path, "text,bad,good", "a film,0.25,0.75", f"a room,{row}")
    with pytest.raises(
        TeacherError, match=r"row 2: the probabilities add up to [\d.]+ instead of 1 \(1 of 2"
    ):
        read_table_teacher(TableConfig(path, values="probabilities"), TASK)


def test_rounded_probabilities_and_those_of_several_labels_are_taken():
    thirds = {name: [0.33] for name in "abc"}
    assert logits_of_values(thirds, Task(("a", "b", "c")), "probabilities", "x").shape == (1, 3)
    both = {"a": [0.9], "b": [0.9]}
    assert (logits_of_values(both, Task(("a", "b"), "multilabel"), "probabilities", "x") > 0).all()


def test_columns_that_are_not_read_are_said(tmp_path):
    path = table(tmp_path, "text,bad,good,neutral,id", "a film,-1,1,9,7")
    teacher = read_table_teacher(TableConfig(path, text_column="text"), TASK)
    heard = []

    class Ears:
        say = staticmethod(heard.append)

        def bar(self, *_):
            from understudy.core.progress import Silent

            return Silent().bar("", 0, "")

    store = LogitStore(tmp_path / "store", teacher=teacher.fingerprint, labels=TASK.labels)
    label(teacher, ["a film"], store, progress=Ears())
    assert len(heard) == 1
    assert "no such label: 'neutral', 'id'" in heard[0]
