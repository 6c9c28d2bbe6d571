import pytest

from understudy.data.labels import check_seen, order_labels
from understudy.data.readers.table import Table
from understudy.errors import DataError


def table(labels, texts=None, **more):
    texts = texts or [f"text {n}" for n in range(len(labels))]
    return Table("a.csv", "a.csv", {"text": texts, "label": labels}, range(2, len(labels) + 2), **more)


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
