import math

import pytest

from understudy.data.labels import check_seen, order_labels, read_labelled
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


def test_labels_are_sorted_numbers_by_value():
    assert order_labels(["b", "a", "b"], None, "f") == (("a", "b"), [])
    assert order_labels(["10", "9", "-1"], None, "f") == (("-1", "9", "10"), [])
    assert order_labels(["x", "2", "nan", "10"], None, "f") == (("2", "10", "nan", "x"), [])


def test_a_given_order_is_kept_without_what_is_unused():
    assert order_labels(["a", "b", "z"], ["b", "c", "a", "b"], "f") == (("b", "a", "z"), ["c"])


def test_one_class_only_is_refused():
    with pytest.raises(DataError, match="f has one label only, 'x'"):
        order_labels(["x", "x"], ["x", "y"], "f")


def test_unseen_labels_are_named_once_with_their_place():
    message = r"(?s)2 problems.*line 3: label 'jov' does not occur in t\.csv.*line 5: label 'q'.*mean 'joy'"
    with pytest.raises(DataError, match=message):
        check_seen(table(["joy", "jov", "jov", "q"]), ["joy", "jov", "jov", "q"], ("fear", "joy"), "t.csv")
    check_seen(table(["joy"]), ["joy"], ("fear", "joy"), "t.csv")
