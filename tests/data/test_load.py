import csv
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from understudy.data import load_dataset
from understudy.data.leakage import normalise
from understudy.errors import DataError, RecipeError

HEADER_GUESS = "the first line names the columns (guessed; use --header / --no-header)."


def write(path, rows, header=("text", "label")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows] if header else rows)
    return path


def rows(start, stop):
    return [(f"text number {n}", "ab"[n % 2]) for n in range(start, stop)]


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "train.csv", rows(0, 40))
    write(tmp_path / "dev.csv", rows(40, 48))
    write(tmp_path / "test.csv", rows(48, 60))
    return tmp_path


def test_a_folder_becomes_a_data_set(folder):
    data = load_dataset(folder, name="mine", metric="macro_f1")
    assert (data.name, data.task.labels, data.task.metric) == ("mine", ("a", "b"), "macro_f1")
    assert data.train.texts[:2] == ("text number 0", "text number 1")
    assert data.train.labels.dtype == np.int64
    assert data.label_counts()["dev"] == {"a": 4, "b": 4}
    assert data.dropped == {}
    assert data.source == str(folder)
    assert data.notes == (
        f"train.csv, dev.csv, test.csv: {HEADER_GUESS}",
        "Read column 'text' as text and 'label' as label (guessed; use --text-column / --label-column).",
    )


def test_leaks_are_dropped_and_counted(folder):
    write(folder / "train.csv", [*rows(0, 40), ("TEXT  number 41", "b"), ("text number 50", "a")])
    write(folder / "dev.csv", [*rows(40, 48), ("text number 49", "b")])
    (folder / "unlabelled.txt").write_text(
        "Text number 42\ntext number 3\nTEXT number 3\nnew\n", encoding="utf-8"
    )
    data = load_dataset(folder)
    assert (len(data.train), len(data.dev), len(data.test)) == (40, 8, 12)
    assert data.unlabelled == ("TEXT number 3", "new")
    assert data.dropped == {
        "train texts also in test": 1,
        "train texts also in dev": 1,
        "dev texts also in test": 1,
        "unlabelled texts also in dev or test": 1,
        "unlabelled texts also in train": 1,
    }


@pytest.mark.parametrize(("missing", "sizes"), [("dev", (36, 4, 12)), ("test", (36, 8, 4))])
def test_a_missing_split_is_taken_off_train_and_said(folder, missing, sizes):
    (folder / f"{missing}.csv").unlink()
    data = load_dataset(folder, seed=3)
    assert (len(data.train), len(data.dev), len(data.test)) == sizes
    assert (
        data.notes[-1]
        == f"Split {missing} (4 texts, 10%) off train.csv: at random, stratified by label, seed 3."
    )


def test_one_file_is_split_by_the_seed(tmp_path):
    path = write(tmp_path / "all.csv", [*rows(0, 100), *rows(0, 100)])
    data = load_dataset(path, dev_fraction=0.2)
    assert (len(data.train), len(data.dev), len(data.test)) == (140, 40, 20)
    assert data.dropped == {}
    assert data.fingerprint == load_dataset(path, dev_fraction=0.2).fingerprint
    assert data.fingerprint != load_dataset(path, dev_fraction=0.2, seed=1).fingerprint


def test_rare_labels_and_conflicts_are_said(tmp_path):
    path = write(tmp_path / "all.csv", [*rows(0, 40), ("odd one", "z"), ("Same", "a"), ("same", "b")])
    notes = load_dataset(path).notes
    assert any("in train only: 'z'" in note for note in notes)
    conflicts = [note for note in notes if "conflicting" in note]
    assert len(conflicts) == 1
    assert conflicts[0].endswith("all kept; for example 'Same' as 'a', 'b'.")


def test_unlabelled_files_come_from_folder_and_flag(folder):
    (folder / "unlabelled.tsv").write_text("text\tn\nfrom folder\t1\n", encoding="utf-8")
    (folder / "more.txt").write_text("from flag\n", encoding="utf-8")
    for wish in (str(folder / "more.txt"), [folder / "more.*"]):
        data = load_dataset(folder, unlabelled=wish)
        assert data.unlabelled == ("from folder", "from flag")
    assert data.notes[-2:] == (
        "Read 1 unlabelled text from unlabelled.tsv, column 'text'.",
        "Read 1 unlabelled text from more.txt.",
    )


def test_labels_are_named_in_the_order_given(tmp_path):
    path = write(tmp_path / "all.csv", [(f"t {n}", str(n % 2)) for n in range(20)])
    assert load_dataset(path).task.labels == ("0", "1")
    data = load_dataset(path, labels={"1": "positive", "0": "negative"})
    assert data.task.labels == ("positive", "negative")
    assert load_dataset(path, labels={1: "positive", 0: "negative"}).fingerprint == data.fingerprint


def test_options_reach_the_reader(tmp_path):
    found = [(f"subject {n}", f"a body {n}", "xy"[n % 2], "uv"[n % 2]) for n in range(20)]
    path = write(tmp_path / "all.csv", found, header=("subject", "text", "label", "team"))
    data = load_dataset(path, text_column="subject", label_column="team")
    assert data.train.texts[0].startswith("subject")
    assert data.task.labels == ("u", "v")
    split = "Split dev (2 texts, 10%) and test (2 texts, 10%) off all.csv"
    assert data.notes == (f"{split}: at random, stratified by label, seed 0.",)
    raw = load_dataset(path, header=False, delimiter=",", text_column="column_1", label_column="column_3")
    assert raw.task.labels == ("label", "x", "y")  # the first line is a row like any other


texts = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from(',;"\n\r'), min_size=1, max_size=15
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts.filter(str.strip), min_size=6, max_size=20, unique_by=normalise))
def test_any_text_goes_through_a_csv_unchanged(tmp_path, found):
    path = write(tmp_path / "all.csv", [(text, "ab"[n % 2]) for n, text in enumerate(found)])
    data = load_dataset(path, delimiter=",", header=True)
    assert sorted(data.train.texts + data.dev.texts + data.test.texts) == sorted(found)
    label = {text: "ab"[n % 2] for n, text in enumerate(found)}
    for split in (data.train, data.dev, data.test):
        assert [data.task.labels[column] for column in split.labels] == [label[text] for text in split.texts]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("text,label\n", "column names but no rows"),
        ("text,label\na,x\nb,x\nc,x\n", "has one label only, 'x'"),
        ("text,label\na,x\nb,y\nc,x\n", "has 3 rows, too few to split"),
        ("text,label\na,x\n ,y\n", "line 3: the text is empty"),
        ("text,label\na,x\nb,\n", "line 3: the label is empty"),
        ("text,label\na,x\nb\n", "line 3: 1 column instead of 2"),
        ('text,label\na,x\n"b,y\n', "line 3: the quote that opens here"),
    ],
)
def test_bad_files_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=rf"bad\.csv.*{message}"):
        load_dataset(path)


def test_an_unseen_label_is_named_with_file_and_line(folder):
    write(folder / "test.csv", [*rows(48, 60), ("what is this", "c")])
    with pytest.raises(DataError, match=r"test\.csv, line 14: label 'c' does not occur in .*train\.csv"):
        load_dataset(folder)


def test_a_column_missing_from_one_file_is_said(folder):
    write(folder / "dev.csv", rows(40, 48), header=("sentence", "label"))
    with pytest.raises(DataError, match=r"dev\.csv has no column 'text'\. .*'label', 'sentence'"):
        load_dataset(folder)


def test_wrong_fractions_and_metrics_are_refused(folder):
    with pytest.raises(RecipeError, match="test_fraction"):
        load_dataset(folder, test_fraction=0)
    with pytest.raises(RecipeError, match="Unknown metric 'f2'"):
        load_dataset(folder, metric="f2")


def test_importing_the_room_is_cheap():
    heavy = "{'torch', 'transformers', 'datasets', 'pyarrow', 'pandas', 'sklearn'}"
    code = f"import sys, understudy.data; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("above", [None, 1])
def test_unlabelled_files_are_read_by_the_text_column_of_train(tmp_path, above):
    write(tmp_path / "train.csv", rows(0, 40), header=("Satz", "Klasse"))
    more = [(n, f"further {n}", f"a long street that nobody asked for {n}") for n in range(5)]
    write(tmp_path / "more.csv", more, header=("Nr", "Satz", "Strasse"))
    data = load_dataset(tmp_path / "train.csv", unlabelled=tmp_path / "more.csv", stream_above=above)
    assert data.given == tuple(text for _, text, _ in more)


def test_columns_without_names_say_nothing_of_unlabelled_files(tmp_path):
    write(tmp_path / "train.csv", [(label, text) for text, label in rows(0, 40)], header=None)
    write(tmp_path / "more.csv", [(f"further {n}", n) for n in range(5)], header=None)
    data = load_dataset(tmp_path / "train.csv", unlabelled=tmp_path / "more.csv")
    assert data.given == tuple(f"further {n}" for n in range(5))


def test_the_note_on_a_split_says_the_share_that_was_really_taken(tmp_path):
    found = [
        (f"text {n}", f"label {n % 5}") for n in range(20)
    ]  # each label gives each part at least one text
    data = load_dataset(write(tmp_path / "a.csv", found))
    assert len(data.dev) == len(data.test) == 5
    assert "Split dev (5 texts, 25%) and test (5 texts, 25%) off a.csv" in " ".join(data.notes)
