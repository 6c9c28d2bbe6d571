from collections import UserDict, deque

import numpy as np
import pytest

from understudy.errors import DataError
from understudy.runtime.given import as_sequence

TEXTS = ["a film", "", "b"]


@pytest.mark.parametrize(
    "given",
    [
        list(TEXTS),
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        deque(TEXTS),
        dict.fromkeys(TEXTS).keys(),
        iter(TEXTS),
        (text for text in TEXTS),
        map(str, TEXTS),
    ],
    ids=lambda given: type(given).__name__,
)
def test_any_container_in_order_gives_its_items(given):
    found = as_sequence(given)
    assert list(found) == TEXTS
    assert all(type(text) is str for text in found)
    assert len(found) == 3


def test_a_list_is_not_copied():
    assert as_sequence(TEXTS) is TEXTS


class Frame:
    """A table as pandas, polars and Arrow have it."""

    columns = ("text", "label")

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        (None, "None was given"),
        (3, r"3 \(int\) was given"),
        (object, r"\(type\) was given"),
        ("a film", r"'a film' \(str\) was given"),
        (np.array("a film"), r"'a film' \(str\) was given"),
        (b"a film", r"Decode it, such as data\.decode\(\)"),
        (bytearray(b"a"), "Decode it"),
        ({"text": "a film"}, r"a dict was given.*texts\.values\(\)"),
        (UserDict(text="a film"), "a UserDict was given"),
        ({"a", "b"}, "a set was given, which has no order"),
        (frozenset("ab"), "a frozenset was given"),
        (Frame(), r'a Frame was given.*frame\["text"\]\.tolist\(\)'),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_holds_no_items_is_refused_with_what_to_give(given, cure):
    with pytest.raises(DataError, match=cure):
        as_sequence(given)


def test_tables_and_columns_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": TEXTS, "label": ["x", "y", "z"]})
    assert as_sequence(frame["text"]) == TEXTS
    assert as_sequence(frame["text"].to_numpy()) == TEXTS
    assert as_sequence(frame["text"].astype("category")) == TEXTS
    with pytest.raises(DataError, match=r'a DataFrame was given.*frame\["text"\]'):
        as_sequence(frame)
