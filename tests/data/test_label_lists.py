import csv

import pytest

from understudy.data import load_dataset
from understudy.data.label_lists import (
    guess_separator,
    holds_written_lists,
    joined_labels_note,
    list_column,
    one_hot_columns,
    written_list,
)
from understudy.data.readers.table import Table
from understudy.errors import DataError, RecipeError

from .forms import COUNT, write, write_rows


def table(**columns):
    return Table("a.csv", "a.csv", columns, range(2, 2 + len(next(iter(columns.values())))))


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ('["a","b"]', ["a", "b"]),
        ("['a', 'b']", ["a", "b"]),
        ("['a' 'b']", ["a", "b"]),
        (" ['it\\'s', \"a, b\"] ", ["it's", "a, b"]),
        ('["a\\u00e9"]', ["aé"]),
        ("['a',]", ["a"]),
        ("[]", []),
        ("[ ]", []),
        ("[0, 3]", [0, 3]),
        ("[0 3]", [0, 3]),
        ("[1.5]", ["1.5"]),
        ("[a, b]", None),
        ('["a"', None),
        ('["a" b]', None),
        ("['a'], ['b']", None),
        ('[["a"]]', None),
        ("['\\x']", None),
        ("a,b", None),
        ("", None),
    ],
)
def test_lists_are_read_as_json_python_and_numpy_write_them(cell, labels):
    assert written_list(cell) == labels


def test_a_column_of_lists_is_known_by_most_of_its_cells():
    assert holds_written_lists(['["a"]', "", None, "[]"])
    assert holds_written_lists(['["a"]', "['b']", "c"])
    assert not holds_written_lists(['["a"]', "b", "c"])
    assert not holds_written_lists(["[]", "[]"])
    assert not holds_written_lists(["[a]", "[b]"])
    assert not holds_written_lists([1, None])


@pytest.mark.parametrize("kind", [None, "multilabel"])
@pytest.mark.parametrize("style", ["python", "json", "numpy"])
def test_lists_as_pandas_writes_them_are_labels(tmp_path, kind, style):
    cells = {
        "python": ["['a', 'b']", "[]", "['b']"],
        "json": ['["a","b"]', "[]", '["b"]'],
        "numpy": ["['a' 'b']", "[]", "['b']"],
    }[style]
    rows = [{"text": f"t {n}", "labels": cells[n % 3]} for n in range(COUNT)]
    data = load_dataset(write_csv(tmp_path / "all.csv", rows), kind=kind)
    assert (data.task.kind, data.task.labels) == ("multilabel", ("a", "b"))
    held = [[[1, 1], [0, 0], [0, 1]][int(text[2:]) % 3] for text in data.train.texts]
    assert data.train.labels.tolist() == held
    said = "The task is multilabel: 'labels' holds lists of labels (guessed; use --kind)."
    assert (said in data.notes) == (kind is None)
    assert not any("separated" in note for note in data.notes[1:] if "Labels" in note)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_column_of_lists_needs_no_usual_name(tmp_path, ending):
    lists = [["x"], ["x", "y"]]
    rows = [{"body": f"t {n}", "genres": lists[n % 2]} for n in range(COUNT)]
    path = tmp_path / f"all.{ending}"
    data = load_dataset(write_csv(path, rows) if ending == "csv" else write_rows(path, rows))
    assert (data.task.kind, data.task.labels) == ("multilabel", ("x", "y"))
    assert any("'genres' as label (guessed" in note for note in data.notes)


def test_words_beside_labels_are_not_taken_for_labels():
    assert list_column(table(text=["a", "b"] * 3, tokens=["['a']", "['b']"] * 3)) is None
    assert list_column(table(text=["a", "b"] * 3, spam=["0", "1"] * 3, parts=["['a']", "['b']"] * 3)) is None
    assert (
        list_column(table(text=["a", "b"] * 3, label=["0", "1"] * 3, parts=["['a']", "['b']"] * 3)) == "label"
    )


def test_a_cell_that_is_not_a_list_is_named(tmp_path):
    rows = [{"text": f"t {n}", "labels": "['a', 'b']"} for n in range(COUNT)]
    rows[4]["labels"] = "a"
    with pytest.raises(
        DataError, match=r"all\.csv, line 6: a str, 'a', is not a list such as the others\. Write"
    ):
        load_dataset(write_csv(tmp_path / "all.csv", rows), kind="multilabel")


def test_dev_and_test_are_read_like_train(tmp_path):
    rows = [{"text": f"t {n}", "labels": ["['a', 'b']", "['b']"][n % 2]} for n in range(COUNT)]
    write_csv(tmp_path / "train.csv", rows)
    write_csv(tmp_path / "dev.csv", [{"text": "x", "labels": "[]"}, {"text": "y", "labels": "['a']"}])
    assert load_dataset(tmp_path).dev.labels.tolist() == [[0, 0], [1, 0]]


def test_a_separator_that_the_user_names_leaves_brackets_alone(tmp_path):
    rows = [{"text": f"t {n}", "labels": ["[1]|[2]", "[2]"][n % 2]} for n in range(COUNT)]
    data = load_dataset(write_csv(tmp_path / "all.csv", rows), kind="multilabel", label_separator="|")
    assert data.task.labels == ("[1]", "[2]")
    with pytest.raises(RecipeError, match=r"data\.label_separator is empty"):
        load_dataset(tmp_path / "all.csv", kind="multilabel", label_separator="")


# a column for each label


def one_hot(count=COUNT, bits=("0", "1")):
    return [
        {
            "id": n,
            "comment_text": f"t {n}",
            "toxic": bits[n % 2],
            "insult": bits[n % 3 == 0],
            "obscene": bits[0],
        }
        for n in range(count)
    ]


@pytest.mark.parametrize("bits", [("0", "1"), ("0.0", "1.0"), ("False", "True")])
def test_columns_of_0_and_1_are_labels_of_a_multilabel_task(tmp_path, bits):
    data = load_dataset(write_csv(tmp_path / "all.csv", one_hot(bits=bits)), kind="multilabel")
    assert data.task.labels == ("toxic", "insult")  # in the order of their columns; none is obscene
    held = [[int(text[2:]) % 2, int(text[2:]) % 3 == 0] for text in data.train.texts]
    assert data.train.labels.tolist() == held
    said = "Read columns 'toxic', 'insult', 'obscene', which hold 0 and 1, as labels (guessed; use"
    assert any(note.startswith(said) for note in data.notes)
    assert "Left out labels that no train text has: 'obscene'." in data.notes


def test_numbers_and_truth_values_are_0_and_1_too(tmp_path):
    rows = [{"text": f"t {n}", "a": n % 2, "b": float(n % 3 == 0), "c": n % 5 == 0} for n in range(COUNT)]
    for name in ("all.jsonl", "all.parquet"):
        assert load_dataset(write_rows(tmp_path / name, rows), kind="multilabel").task.labels == (
            "a",
            "b",
            "c",
        )


def test_columns_of_0_and_1_are_not_guessed_to_be_one_label(tmp_path):
    path = write_csv(tmp_path / "all.csv", one_hot())
    message = (
        r"all\.csv has 3 columns that hold 0 and 1 alone: 'toxic', 'insult', 'obscene'\. .*--kind multilabel"
    )
    with pytest.raises(DataError, match=message):
        load_dataset(path)
    assert load_dataset(path, label_column="toxic").task.labels == ("0", "1")
    named = [{**row, "label": "xy"[row["id"] % 2]} for row in one_hot()]
    assert load_dataset(write_csv(tmp_path / "b.csv", named)).task.labels == ("x", "y")


def test_every_file_has_the_columns_of_train(tmp_path):
    write_csv(tmp_path / "train.csv", one_hot())
    rows = [{**row, "comment_text": f"d {row['id']}"} for row in one_hot(4)]
    write_csv(tmp_path / "dev.csv", rows)
    assert load_dataset(tmp_path, kind="multilabel").dev.labels.tolist() == [[0, 1], [1, 0], [0, 0], [1, 1]]
    rows[2]["insult"] = "2"
    write_csv(tmp_path / "dev.csv", rows)
    with pytest.raises(DataError, match=r"dev\.csv, line 4: column 'insult' holds a str, '2'\. Each of the"):
        load_dataset(tmp_path, kind="multilabel")
    write_csv(tmp_path / "dev.csv", [{"comment_text": "d", "toxic": 1}, {"comment_text": "e", "toxic": 0}])
    with pytest.raises(DataError, match=r"dev\.csv has no column 'insult'"):
        load_dataset(tmp_path, kind="multilabel")


def test_text_columns_are_not_labels():
    columns = table(text=["0", "1"], a=[0, 1], b=["1", "1"], c=["0", None])
    assert one_hot_columns(columns, ()) == ("a", "b")
    assert one_hot_columns(columns, ("a",)) == ("b",)


# several labels in one cell


def test_the_first_usual_separator_is_taken():
    assert guess_separator(["a|b", None, 3]) == "|"
    assert guess_separator(["a|b", "a,b"]) == ","
    assert guess_separator(["a"]) == ","


def test_labels_that_look_like_several_are_said(tmp_path):
    rows = [{"text": f"t {n}", "label": ["a", "b", "a|b"][n % 3]} for n in range(COUNT)]
    path = write_csv(tmp_path / "all.csv", rows)
    said = (
        "Labels such as 'a|b' hold '|', and count as one label each; where a text may have several labels, "
        "use --kind multilabel."
    )
    assert said in load_dataset(path).notes
    assert said not in load_dataset(path, kind="classification").notes
    assert joined_labels_note(["x,y", "y,z", "z,x"]).startswith("Labels such as 'x,y'")
    assert joined_labels_note(["Berlin, DE", "Paris, FR"]) is None
    assert joined_labels_note(["a", "b", ","]) is None


def test_numbers_read_as_labels_are_said(tmp_path):
    text = "text,score\n" + "".join(f"t {n},{n % 4 / 2}\n" for n in range(COUNT))
    data = load_dataset(write(tmp_path / "all.csv", text))
    assert data.task.kind == "classification"
    assert any(note.startswith("Column 'score' holds numbers such as 0.0, read as") for note in data.notes)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_column_of_values_leads_to_regression(tmp_path, ending):
    rows = [{"text": f"t {n}", "score": n / 7} for n in range(COUNT)]
    with pytest.raises(
        DataError, match=r"Column 'score' holds numbers: to learn its values, use --kind regr"
    ):
        load_dataset(write_rows(tmp_path / f"all.{ending}", rows))
