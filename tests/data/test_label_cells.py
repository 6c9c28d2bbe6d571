import math

import pytest

from understudy.data.label_cells import read_labelled
from understudy.data.readers.table import Table
from understudy.data.schema import Roles
from understudy.errors import DataError

ROLES = Roles(("text",), "label")


def table(labels, texts=None, **more):
    texts = texts or [f"text {n}" for n in range(len(labels))]
    return Table("a.csv", "a.csv", {"text": texts, "label": labels}, range(2, len(labels) + 2), **more)


def test_texts_stay_and_labels_become_names():
    read = read_labelled(table([" x ", 3, True, False], [" a ", "b", "c", "d"]), ROLES)
    assert read.texts == [" a ", "b", "c", "d"]
    assert read.labels == ["x", "3", "true", "false"]
    assert read.pick([2, 0]).labels == ["true", "x"]


def test_class_names_are_looked_up():
    assert read_labelled(table([1, 0], class_names={"label": ("no", "yes")}), ROLES).labels == [
        "yes",
        "no",
    ]
    with pytest.raises(DataError, match="line 2: the label is -1, but only 0 to 1 have names"):
        read_labelled(table([-1, 0], class_names={"label": ("no", "yes")}), ROLES)


def test_labels_are_renamed_and_names_stay():
    names = {"0": "bad", "1": "good"}
    assert read_labelled(table(["0", 1, "good"]), ROLES, names=names).labels == ["bad", "good", "good"]
    with pytest.raises(
        DataError, match=r"a\.csv, line 3: label '2' has no name\. Labels are renamed from '0', '1'"
    ):
        read_labelled(table(["0", "2"]), ROLES, names=names)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("", "line 3: the label is empty"),
        ("  ", "line 3: the label is empty"),
        (None, "line 3: the label is missing"),
        (math.nan, "line 3: the label is missing"),
        (0.5, "line 3: the label is a float, 0.5"),
        ([1, 2], r"line 3: the label is a list, \[1, 2\]"),
    ],
)
def test_bad_labels_are_refused(label, message):
    with pytest.raises(DataError, match=message):
        read_labelled(table(["x", label]), ROLES)


def test_a_missing_column_is_said():
    with pytest.raises(DataError, match="no column 'labl'"):
        read_labelled(table(["x"]), Roles(("text",), "labl"))
    with pytest.raises(DataError, match="no column 'txt'"):
        read_labelled(table(["x"]), Roles(("txt",), "label"))


def test_whole_numbers_that_pandas_made_floats_are_labels():
    assert read_labelled(table([1.0, 0.0, 1]), ROLES).labels == ["1", "0", "1"]
    assert read_labelled(table([1.0, 0.0], class_names={"label": ("no", "yes")}), ROLES).labels == [
        "yes",
        "no",
    ]


@pytest.mark.parametrize("value", [1e39, -4e38, 10**60])
def test_values_that_float32_cannot_hold_are_refused(value):
    with pytest.raises(DataError, match=r"line 3: .* is too large: values up to 3\.4e\+38 can be learnt"):
        read_labelled(table([0.5, value]), ROLES, kind="regression")


def test_values_that_no_float_can_hold_are_refused():
    with pytest.raises(DataError, match=r"line 2: 1000.*… is not a finite number"):
        read_labelled(table([10**400]), ROLES, kind="regression")


def test_labels_that_are_not_unicode_are_refused():
    with pytest.raises(DataError, match=r"line 3: the label 'x\\ud800' holds half a surrogate pair"):
        read_labelled(table(["x", "x\ud800"]), ROLES)
    tagged = Table("a.jsonl", "a.jsonl", {"text": [("a", "b")], "label": [("O", "\ud800")]}, [1])
    with pytest.raises(DataError, match=r"line 1, word 2: the word 'b': the tag is not valid Unicode"):
        read_labelled(tagged, ROLES, kind="tagging")
