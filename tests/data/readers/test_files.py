import gzip
import json
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from understudy.data.readers.blocks import read_blocks
from understudy.data.readers.files import format_of, read_layout, read_sentences, read_table
from understudy.errors import DataError, MissingExtraError, RecipeError


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


def test_parquet_gives_columns_and_the_names_of_classes(tmp_path):
    info = {
        "info": {
            "features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}, "text": {"_type": "Value"}}
        }
    }
    content = pa.table({"text": ["one", "two"], "label": [1, 0]})
    parquet.write_table(
        content.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "a.parquet"
    )
    table = read_table(tmp_path / "a.parquet")
    assert table.columns == {"text": ["one", "two"], "label": [1, 0]}
    assert table.class_names == {"label": ("no", "yes")}
    assert table.place(1) == "row 2"


def test_parquet_gives_the_names_of_tags(tmp_path):
    inner = {"names": ["O", "B-X"], "_type": "ClassLabel"}
    info = {"info": {"features": {"tags": {"feature": inner, "_type": "List"}, "id": {"_type": "Value"}}}}
    content = pa.table({"tags": [[0, 1], [0]], "id": [1, 2]})
    parquet.write_table(
        content.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "a.parquet"
    )
    assert read_table(tmp_path / "a.parquet").class_names == {"tags": ("O", "B-X")}


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


def test_guesses_are_said_and_wishes_are_not_guesses(tmp_path):
    path = write(tmp_path / "a.csv", "text;label\none;x\n")
    assert read_table(path).guesses == (
        "columns are separated by ';' (guessed; use --delimiter).",
        "the first line names the columns (guessed; use --header / --no-header).",
    )
    assert read_table(path, delimiter=";", header=True).guesses == ()
    assert list(read_table(path, delimiter=";", header=False).columns) == ["column_1", "column_2"]
    assert list(read_table(path, delimiter=":", header=True).columns) == ["text;label"]


def test_headerless_columns_are_numbered(tmp_path):
    table = read_table(write(tmp_path / "a.tsv", 'a "fine film\t1\nnot so fine\t0\n'))
    assert table.columns == {"column_1": ('a "fine film', "not so fine"), "column_2": ("1", "0")}
    assert "is a row" in table.guesses[0]


def test_a_column_that_the_user_names_tells_the_header(tmp_path):
    path = write(tmp_path / "a.csv", "what they wrote,how it ended\none,x\n")
    assert list(read_table(path).columns) == ["column_1", "column_2"]
    table = read_table(path, expected=(None, "how it ended"))
    assert list(table.columns) == ["what they wrote", "how it ended"]
    assert table.guesses == ()


def test_an_earlier_file_settles_the_header(tmp_path):
    odd = "wrote it,ended so\n"
    train = read_table(write(tmp_path / "train.csv", odd + "one,x\n"), header=True)
    assert len(read_table(write(tmp_path / "dev.csv", odd + "two,y\n"), like=train)) == 1
    bare = read_table(write(tmp_path / "bare.csv", "one two three four,1\nb,0\n"))
    assert len(read_table(write(tmp_path / "test.csv", "text,label\ntwo,y\n"), like=bare)) == 2


def test_nameless_columns_get_their_number(tmp_path):
    assert list(read_table(write(tmp_path / "a.csv", ",text,label\n0,a,x\n")).columns) == [
        "column_1",
        "text",
        "label",
    ]


def test_empty_columns_of_a_spreadsheet_hide_no_header(tmp_path):
    table = read_table(write(tmp_path / "a.csv", "text,label,,\na,x,,\nb,y,,\n"))
    assert list(table.columns) == ["text", "label", "column_3", "column_4"]
    assert len(table) == 2


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


DEEP = "[" * 100_000 + "]" * 100_000
LONG = "9" * 5_000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.jsonl",
            '{"n": 1}\n{"n": ' + LONG + "}\n",
            r"a\.jsonl, line 2: an integer of more than 4,300 digits",
        ),
        ("a.jsonl", '{"n": ' + DEEP + "}\n", r"a\.jsonl, line 1: JSON nested too deeply"),
        ("a.json", f"[{LONG}]", r"a\.json: an integer of more than 4,300 digits"),
        ("a.json", DEEP, r"a\.json: JSON nested too deeply"),
    ],
    ids=["long in a line", "deep in a line", "long", "deep"],
)
def test_json_that_python_cannot_read_is_refused(tmp_path, name, text, message):
    path = write(tmp_path / name, text)
    with pytest.raises(DataError, match=message):
        read_table(path)
    with pytest.raises(DataError, match=message):
        list(read_blocks(path))


@pytest.mark.parametrize(
    "about",
    [
        "{",
        "[]",
        '{"info": null}',
        '{"info": {"features": []}}',
        '{"info": {"features": {"label": {"_type": "ClassLabel"}}}}',
        '{"info": {"features": {"label": {"_type": "ClassLabel", "names": 2}}}}',
        '{"info": {"features": {"label": {"_type": "ClassLabel", "names": [1, 2]}}}}',
        DEEP,
    ],
    ids=range(8),
)
def test_odd_metadata_of_parquet_is_left_alone_and_said(tmp_path, about):
    content = pa.table({"text": ["one", "two"], "label": [1, 0]})
    parquet.write_table(content.replace_schema_metadata({"huggingface": about}), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert (list(table.columns["label"]), table.class_names) == ([1, 0], {})
    assert "labels keep their numbers" in table.guesses[0]


@pytest.mark.parametrize("features", ['{"label": null}', '{"label": [{"_type": "Value"}]}', "{}"])
def test_metadata_without_names_is_not_odd(tmp_path, features):
    content = pa.table({"text": ["one"], "label": [1]})
    about = f'{{"info": {{"features": {features}}}}}'
    parquet.write_table(content.replace_schema_metadata({"huggingface": about}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").guesses == ()


@pytest.mark.parametrize("read", [read_table, lambda path: list(read_blocks(path))], ids=["whole", "blocks"])
def test_one_line_of_very_many_columns_is_refused(tmp_path, read):
    path = write(tmp_path / "a.csv", '[{"text": "a"},' * 20_000 + "0]\n")
    with pytest.raises(
        DataError, match=r"one line of 20,001 columns\. It looks like JSON: give its name .*\.json"
    ):
        read(path)
    path = write(tmp_path / "b.csv", "a,b," * 30_000 + "c\n")
    with pytest.raises(DataError, match=r"one line of 60,001 columns\. Put each row on a line of its own"):
        read(path)


def test_very_many_columns_are_read_in_time(tmp_path):
    names = [f"c{number}" for number in range(50_000)]
    path = write(tmp_path / "a.csv", "\n".join([",".join(names), *([",".join("0" * 50_000)] * 2)]))
    started = time.process_time()
    assert len(read_table(path, header=True).columns) == 50_000
    with pytest.raises(DataError, match="names column 'c7' more than once"):
        read_table(write(path, ",".join([*names, "c7"]) + "\n" + "0," * 50_000 + "0\n"), header=True)
    assert time.process_time() - started < 20  # counting each name among all took minutes


def test_an_empty_delimiter_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"A delimiter is one character, .* not ''"):
        read_table(write(tmp_path / "a.csv", "text,label\na,b\n"), delimiter="")


def test_missing_and_empty_parquet_are_refused(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        read_table(tmp_path / "none.parquet")
    parquet.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "empty.parquet")
    with pytest.raises(DataError, match=r"empty\.parquet is empty"):
        read_table(tmp_path / "empty.parquet")


def test_lines_keep_their_numbers_behind_a_promised_delimiter(tmp_path):
    table = read_table(write(tmp_path / "a.csv", "sep=;\ntext;label\none;x\ntwo;y\n"))
    assert table.places == [3, 4]
    assert not any("separated" in guess for guess in table.guesses)
    with pytest.raises(DataError, match=r"line 4: 1 column instead of 2"):
        read_table(write(tmp_path / "b.csv", "sep=;\ntext;label\none;x\ntwo\n"))


def test_a_delimiter_for_jsonl_is_refused(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\n')
    with pytest.raises(RecipeError, match="a jsonl file has neither"):
        read_table(path, delimiter=",")


def test_missing_pyarrow_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"understudy\[train\]"):
        read_table(tmp_path / "a.parquet")


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
