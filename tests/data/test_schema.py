import pytest

from understudy.data.readers.table import Table
from understudy.data.schema import Roles, choose_roles, infer_kind
from understudy.errors import DataError, RecipeError

LABELS = ["x", "y"] * 3
TEXTS = [f"a text {number}" for number in range(6)]


def table(**columns):
    return Table("a.csv", "a.csv", columns, range(2, 8))


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"text": TEXTS, "label": LABELS}, "classification"),
        ({"text": TEXTS, "labels": [["x"], ["y"]] * 3}, "multilabel"),
        ({"text": TEXTS, "labels": ["['x']", "[]"] * 3}, "multilabel"),
        ({"sentence1": TEXTS, "sentence2": TEXTS, "label": LABELS}, "pair"),
        ({"tokens": [["a"]] * 6, "tags": [["O"]] * 6}, "tagging"),
    ],
)
def test_the_columns_tell_the_kind(columns, kind):
    inferred, reason = infer_kind(table(**columns), (), None)
    assert inferred == kind
    assert (reason is None) == (kind == "classification")


def test_several_columns_of_0_and_1_leave_the_kind_open():
    columns = {"text": TEXTS, "a": ["0", "1"] * 3, "b": ["1", "0"] * 3}
    with pytest.raises(DataError, match="2 columns that hold 0 and 1 alone: 'a', 'b'"):
        infer_kind(table(**columns), (), None)
    assert infer_kind(table(**columns), (), "a")[0] == "classification"


def test_named_columns_are_no_guess():
    assert choose_roles(table(a=TEXTS, b=LABELS), "classification", ("a",), "b") == (Roles(("a",), "b"), None)
    roles, note = choose_roles(table(a=TEXTS, b=LABELS), "classification", (), None)
    assert roles == Roles(("a",), "b")
    assert note == "Read column 'a' as text and 'b' as label (guessed; use --text-column / --label-column)."


def test_the_number_of_texts_fits_the_kind():
    with pytest.raises(RecipeError, match="2 text columns are named, 'a', 'b', but the task is tagging"):
        choose_roles(table(a=TEXTS, b=TEXTS), "tagging", ("a", "b"), None)
    with pytest.raises(RecipeError, match="A pair needs two text columns, but one is named, 'a'"):
        choose_roles(table(a=TEXTS, b=TEXTS), "pair", ("a",), None)
