import numpy as np

from understudy.core import items


def test_keys_tell_items_apart() -> None:
    different = ["a b", ("a", "b"), ("a b",), ('a", "b',), "", ("", ""), '["a", "b"]']
    assert len({items.key(item) for item in different}) == len(different)
    assert items.key("plain") == "plain"


def test_parts_and_what_is_shown() -> None:
    assert list(items.parts(["one two", ("three", "four")])) == ["one two", "three", "four"]
    assert items.shown("x y") == "x y"
    assert items.shown(("x", "y")) == "x | y"
    assert items.shown(("x", "y", "z")) == "x y z"
    assert items.from_json(["a", "b"]) == ("a", "b")
    assert items.from_json("a") == "a"


def test_rows_of_items() -> None:
    counts = np.array([2, 0, 3, 1])
    assert items.rows_of(np.array([2, 0]), counts).tolist() == [2, 3, 4, 0, 1]
    assert items.rows_of(np.array([1, 3]), counts).tolist() == [5]
    assert items.rows_of(np.array([], dtype=np.int64), counts).tolist() == []
