import gzip
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from understudy.data.cells import read_items, read_pairs, read_sentences, read_texts, stream_items
from understudy.data.readers import blocks
from understudy.data.readers.table import Table
from understudy.errors import DataError


def table(texts, **more):
    return Table("a.csv", "a.csv", {"text": texts, **more}, range(2, len(texts) + 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 3: the text is empty"),
        (" \n", "line 3: the text is empty"),
        (None, "line 3: the text is empty"),
        (7, "line 3: the text is an int, 7, instead of a string"),
        ("half \ud83d", "half a surrogate pair"),
    ],
)
def test_bad_texts_are_refused(text, message):
    with pytest.raises(DataError, match=message):
        read_items(table(["fine", text]), ["text"], "classification")


def test_all_empty_texts_are_counted_and_the_first_five_shown():
    with pytest.raises(
        DataError, match=r"(?s)a\.csv has 7 problems:.*line 2.*line 6.*and 2 more.*or delete them"
    ):
        read_texts(table([""] * 7), "text")


def test_blank_texts_can_be_skipped_but_wrong_ones_cannot():
    assert read_texts(table(["a", " ", None]), "text", skip_blank=True) == ["a"]
    with pytest.raises(DataError, match="instead of a string"):
        read_texts(table([3]), "text", skip_blank=True)


def test_a_pair_has_both_texts():
    two = table(["a", "b "], other=["c", "d"])
    assert read_items(two, ["text", "other"], "pair") == [("a", "c"), ("b ", "d")]
    with pytest.raises(
        DataError, match=r"a\.csv, line 3: the text is empty\. Give columns 'text' and 'other'"
    ):
        read_items(table(["a", "b"], other=["c", " "]), ["text", "other"], "regression")
    assert read_pairs(table(["a", "b"], other=["c", " "]), ["text", "other"], skip_blank=True) == [("a", "c")]
    with pytest.raises(DataError, match="has no column 'othr'"):
        read_items(two, ["text", "othr"], "pair")


def test_a_sentence_is_a_tuple_of_its_words():
    assert read_items(table([["a", "b"], ("c",)]), ["text"], "tagging") == [("a", "b"), ("c",)]
    assert read_sentences(table([["a"], [], None]), "text", skip_blank=True) == [("a",)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "line 3: a sentence without words"),
        (None, "line 3: a sentence without words"),
        ("a b", "line 3: the words are a str, 'a b', instead of a list"),
        (["a", ""], "line 3: word 2: the word is empty"),
        (["a", 7], "line 3: word 2: the word is an int, 7, instead of a string"),
        (["\ud83d"], "line 3: word 1: the word holds half a surrogate pair"),
    ],
)
def test_bad_sentences_are_refused(words, message):
    with pytest.raises(DataError, match=message):
        read_items(table([["fine"], words]), ["text"], "tagging")


ROWS = [("good\tmorning", 1), ('she said "hi"', 2), ("", 3), ("a, b; c\nd", 4), ("last", 5)]


def quoted(cell):
    return '"' + str(cell).replace('"', '""') + '"'


def delimited(delimiter, start="", **columns):
    head = delimiter.join(["n", "text"])
    rows = [delimiter.join([quoted(n), quoted(text)]) for text, n in ROWS]
    return start + "\n".join([head, *rows]) + "\n"


STREAMED = {
    "a.csv": delimited(","),
    "b.csv": "\ufeff" + delimited(";", "sep=;\n"),
    "a.tsv": delimited("\t"),
    "a.csv.gz": delimited("|"),
    "a.json": json.dumps([{"n": n, "text": text} if text else {"n": n} for text, n in ROWS], indent=1),
    "a.jsonl": "\n\n".join(json.dumps({"n": n, "text": text or None}) for text, n in ROWS),
    "a.ndjson.gz": "\n".join(json.dumps({"n": n, "text": text}) for text, n in ROWS),
}


@pytest.mark.parametrize("name", [*STREAMED, "a.parquet"])
def test_streamed_texts_are_those_of_training_one_for_each_row(name, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.table({"text": [text or None for text, _ in ROWS]}), path)
    else:
        data = STREAMED[name].encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert list(stream_items(path, ["text"])) == [text for text, _ in ROWS]


def test_two_columns_are_streamed_as_pairs(tmp_path):
    (tmp_path / "a.csv").write_text('b,x,a\n1,2,"3\t"\n4,5,\n')
    assert list(stream_items(tmp_path / "a.csv", ["a", "b"])) == [("3\t", "1"), ("", "4")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,text\na,b\n", "names column 'text' more than once"),
        ("a.csv", "text,n\na,1\n", r"no column 'txt'. Did you mean 'text'\?"),
        ("a.jsonl", '{"n": 1}\n', "no column 'txt'"),
        ("a.jsonl", '{"txt": "a"}\n{"txt": 7}\n', "line 2: the text is an int, 7, instead of a string"),
        ("a.json", '[{"txt": "a"}, {"txt": ["b"]}]', "row 2: the text is a list"),
        ("a.jsonl", '{"txt": "\\ud800"}\n', "line 1: the text holds half a surrogate pair"),
    ],
)
def test_what_cannot_be_streamed_is_refused(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    columns = ["text"] if "text,text" in content else ["txt"]
    with pytest.raises(DataError, match=message):
        list(stream_items(tmp_path / name, columns))


def test_streaming_needs_no_package_beyond_the_base_install():
    heavy = {"torch", "transformers", "pandas", "pydantic", "pyarrow", "datasets", "yaml", "rich"}
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, understudy.data.cells; print({heavy!r} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert found.stdout == "set()\n"
