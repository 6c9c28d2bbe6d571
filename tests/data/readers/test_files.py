import gzip
from pathlib import Path

import pytest

from understudy.data.readers.files import format_of, read_layout, read_sentences, read_table
from understudy.errors import DataError, RecipeError


def write(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'text,label\n"one, two",x\nthree,y\n'),
        ("a.csv.gz", '\ufefftext,label\r\n"one, two",x\r\nthree,y\r\n'),
        ("a.csv", "text;label\none, two;x\nthree;y\n"),
        ("a.csv", '\ufeffsep=;\r\ntext;label\r\n"one, two";x\r\nthree;y\r\n'),
        ("a.csv", "SEP=\t\ntext\tlabel\none, two\tx\nthree\ty\n"),
        ("a.tsv", "text\tlabel\none, two\tx\nthree\ty\n"),
        ("a.tsv", 'text\tlabel\n"one, two"\tx\n"three"\ty\n'),
        ("a.txt", "text|label\none, two|x\nthree|y\n"),
        ("a.jsonl", '{"text": "one, two", "label": "x"}\n\n{"label": "y", "text": "three"}\n'),
        ("a.ndjson.gz", '{"text": "one, two", "label": "x"}\n{"label": "y", "text": "three"}\n'),
        ("a.json", '[{"text": "one, two", "label": "x"},\n {"label": "y", "text": "three"}]'),
        ("a.json", '{"text": "one, two", "label": "x"}\n{"label": "y", "text": "three"}\n'),
    ],
)
def test_every_form_gives_the_same_columns(tmp_path, name, text):
    table = read_table(write(tmp_path / name, text))
    assert list(table.columns["text"]) == ["one, two", "three"]
    assert list(table.columns["label"]) == ["x", "y"]
    assert len(table) == 2
    assert table.name == name


def test_words_know_their_lines_and_rows_can_be_taken(tmp_path):
    table = read_table(write(tmp_path / "a.conll", "a O\n\nb O\nc O\n\nd O\n"))
    assert table.kind == "tagging"
    assert [table.place(1), table.place(1, 1), table.place(2, 0)] == ["line 3", "line 4", "line 6"]
    taken = table.rows(1, 3)
    assert taken.columns["words"] == [("b", "c"), ("d",)]
    assert [taken.place(0, 1), taken.place(1)] == ["line 4", "line 6"]
    rows = read_table(write(tmp_path / "a.jsonl", '{"words": ["a", "b"]}\n'))
    assert rows.place(0, 1) == "line 1, word 2"


def test_the_kind_of_task_tells_what_a_text_file_holds(tmp_path):
    path = write(tmp_path / "a.txt", "a O\nb B-X\n\nc O\nd O\n")
    assert read_table(path).kind == "tagging"
    assert read_table(path, kind="tagging").kind == "tagging"
    assert read_table(path, kind="classification").kind is None
    assert read_table(path, kind="tagging", delimiter=" ").columns["tags"] == [("O", "B-X"), ("O", "O")]


def test_sentences_of_a_known_layout(tmp_path):
    path = write(tmp_path / "a.txt", "a N O\nb V B-X\n")
    assert read_sentences(path, ("form", "pos", "ner")).columns["ner"] == [("O", "B-X")]
    tree = write(tmp_path / "a.conllu.gz", "1\ta\ta\tX" + "\t_" * 6 + "\n")
    assert read_sentences(tree, ("form", "upos")).columns["upos"] == [("X",)]


def test_rows_know_their_lines(tmp_path):
    table = read_table(write(tmp_path / "a.csv", 'text,label\n"one\ntwo",x\n\nthree,y\n'))
    assert [table.place(row) for row in range(2)] == ["line 2", "line 5"]
    assert read_table(write(tmp_path / "a.jsonl", '\n{"text": "a"}\n')).place(0) == "line 2"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "\n\n", "a.csv is empty"),
        ("a.csv", "text,label\n", "has column names but no rows"),
        ("a.csv", "text,text\na,b\n", "names column 'text' more than once"),
        (
            "a.csv",
            "text,label\na,b\nc,d,e\nf\n",
            r"(?s)line 3: 3 columns instead of 2.*line 4: 1 column instead of 2",
        ),
        ("a.csv", 'text,label\n"a,b\n', "line 2: the quote"),
        ("a.jsonl", "", "a.jsonl is empty"),
        (
            "a.jsonl",
            '{"text": "a"}\n{"text": \n[1]\n',
            r"(?s)line 2: not JSON .*line 3: a JSON list instead of an obj",
        ),
        ("a.json", "[]", "a.json is empty"),
        ("a.json", "[1,\n2", "a.json, line 2: not JSON"),
        ("a.json", "[1]", "row 1: a JSON int instead of an object"),
        ("a.parquet", "no parquet", "is not a readable Parquet file"),
        ("a.pdf", "", r"unknown file format\. Known endings: \.csv"),
        ("a.xlsx", "", r"is a spreadsheet, which is not read\. Save its table as CSV"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, text, message):
    path = write(tmp_path / name, text)
    with pytest.raises(DataError, match=message):
        read_table(path, header=True if "text,text" in text else None)


def test_a_delimiter_for_jsonl_is_refused(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\n')
    with pytest.raises(RecipeError, match="a jsonl file has neither"):
        read_table(path, delimiter=",")


def test_forms_are_told_by_the_name():
    names = {
        "a.CSV": "csv",
        "a.b.tsv.gz": "tsv",
        "a.parquet.gz": None,
        "a": None,
        "a.gz": None,
        "a.ndjson": "jsonl",
    }
    assert {name: format_of(Path(name)) for name in names} == names


def test_known_layouts_are_read_exactly(tmp_path):
    path = write(tmp_path / "a.txt", 'text;label\n"one; two;x\nthree;y\n')
    table = read_layout(path, ("text", "label"), delimiter=";", header=True, from_right=True)
    assert table.columns == {"text": ('"one; two', "three"), "label": ("x", "y")}
    assert table.place(0) == "line 2"
    with pytest.raises(DataError, match="line 2: 3 columns instead of 2"):
        read_layout(path, ("text", "label"), delimiter=";", header=True, from_right=False)
