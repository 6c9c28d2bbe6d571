import pytest

from understudy.data.columns import choose_columns, choose_text_column, is_numeric, require_column
from understudy.errors import DataError

LONG, SHORT = ["a longer text here"] * 4, ["x", "y", "x", "y"]


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        ({"tweet": LONG, "label": SHORT}, "tweet", "label"),
        ({"Label": SHORT, "Text": LONG}, "Text", "Label"),
        ({"title": LONG, "text": LONG, "Review Text": LONG, "intent": SHORT}, "text", "intent"),
        ({"label": [0, 1, 0, 1], "label_text": SHORT, "text": LONG}, "text", "label_text"),
        ({"id": ["1", "2", "3", "4"], "b": SHORT, "a": LONG}, "a", "b"),
        (
            {"column_1": ["s"] * 4, "column_2": SHORT, "column_3": ["", "*", "", ""], "column_4": LONG},
            "column_4",
            "column_2",
        ),
        ({"words": LONG, "n": [1, 2, 1, 2]}, "words", "n"),
    ],
)
def test_columns_are_guessed_by_name_then_by_content(columns, text, label):
    found = choose_columns(columns, "a.csv")
    assert found[:2] == (text, label)


def test_the_guess_is_a_sentence_and_a_wish_is_none():
    columns = {"tweet": LONG, "label": SHORT}
    assert choose_columns(columns, "a.csv")[2] == (
        "Read column 'tweet' as text and 'label' as label (guessed; use --text-column / --label-column)."
    )
    assert (
        choose_columns(columns, "a", text="tweet")[2]
        == "Read column 'label' as label (guessed; use --label-column)."
    )
    assert (
        choose_columns(columns, "a", label="label")[2]
        == "Read column 'tweet' as text (guessed; use --text-column)."
    )
    assert choose_columns(columns, "a", text="label", label="tweet") == ("label", "tweet", None)


def test_a_missing_column_lists_what_there_is():
    with pytest.raises(
        DataError, match=r"a\.csv has no column 'twet'\. Did you mean 'tweet'\? Known: 'label', 'tweet'"
    ):
        choose_columns({"tweet": LONG, "label": SHORT}, "a.csv", text="twet")
    require_column({"a": []}, "a", "a.csv")


def test_one_column_cannot_be_both():
    with pytest.raises(DataError, match="cannot be both"):
        choose_columns({"a": LONG}, "a.csv", text="a", label="a")


def test_no_likely_column_is_an_error():
    with pytest.raises(
        DataError, match="no column that looks like labels beside the text in 'text'; found 'text'"
    ):
        choose_columns({"text": LONG}, "a.csv")
    with pytest.raises(DataError, match="looks like labels"):
        choose_columns({"text": LONG, "id": [1, 2, 3, 4], "same": ["x"] * 4}, "a.csv")
    with pytest.raises(DataError, match="no column that looks like text; found 'n', 'm'"):
        choose_columns({"n": [1, 2], "m": [1, 2]}, "a.csv")


def test_unlabelled_tables_need_a_text_column_only():
    assert choose_text_column({"label": LONG}, "a.csv") == (
        "label", "Read column 'label' as text (guessed; use --text-column).",
    )  # fmt: skip
    columns = {"b": LONG, "sentence": LONG, "label": SHORT}
    assert choose_text_column(columns, "a.csv", "b") == ("b", None)
    assert choose_text_column(columns, "a.csv", "elsewhere")[0] == "sentence"


def test_numbers_with_a_fraction_are_known():
    assert is_numeric(["1", "2.5"])
    assert is_numeric([1, 2.5])
    assert is_numeric(["0.0", "1.0"])
    assert not is_numeric([0.0, 1.0])
    assert not is_numeric(["1", "2"])
    assert not is_numeric(["1.5", "x"])
    assert not is_numeric([1.5, None])
    assert not is_numeric([1.5, float("nan")])
