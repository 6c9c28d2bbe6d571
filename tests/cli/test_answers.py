import json

import numpy as np
import pytest

from understudy.cli.answers import read_lines, read_table, to_items, write_answers
from understudy.core.task import Task
from understudy.errors import DataError, RecipeError
from understudy.runtime.tagging import tag

LOGIT = {0.9: float(np.log(9)), 0.5: 0.0}


class Oracle:
    """Answers with fixed logits, one row an item."""

    def __init__(self, task, *rows):
        self.task, self.rows = task, np.array(rows, dtype=np.float32)

    def logits(self, items):
        return self.rows[: len(items)]

    def predict(self, items):
        words = [tuple(item.split()) for item in items]
        return tag(items, words, self.task, self.rows)


TEXT = Oracle(Task(("no", "yes")), [0.0, LOGIT[0.9]], [LOGIT[0.9], 0.0])
PAIR = Oracle(Task(("no", "yes"), "pair"), [0.0, LOGIT[0.9]])
SEVERAL = Oracle(Task(("a", "b", "c"), "multilabel"), [3.0, 3.0, -3.0], [-3.0, -3.0, -3.0])
VALUE = Oracle(Task(("score",), "regression", bounds=(0.0, 5.0)), [0.5])
TAGGER = Oracle(Task(("O", "B-PER", "I-PER"), "tagging"), [0, 2, 0], [0, 0, 2], [2, 0, 0])


def written(model, lines, form, tmp_path):
    write_answers(model, lines, form, tmp_path / "out")
    return (tmp_path / "out").read_text(encoding="utf-8")


def test_labels(tmp_path):
    assert written(TEXT, ["one", "two"], "text", tmp_path) == "yes\t0.9000\tone\nno\t0.9000\ttwo\n"
    record = json.loads(written(TEXT, ["one"], "jsonl", tmp_path))
    assert record == {"text": "one", "label": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}
    assert written(TEXT, ["one"], "csv", tmp_path) == "text,label,no,yes\none,yes,0.100000,0.900000\n"


def test_pairs(tmp_path):
    assert written(PAIR, ["one\ttwo"], "text", tmp_path) == "yes\t0.9000\tone\ttwo\n"
    assert json.loads(written(PAIR, ["one\ttwo"], "jsonl", tmp_path))["text"] == ["one", "two"]
    assert written(PAIR, ["one\ttwo"], "csv", tmp_path).splitlines()[0] == "text_1,text_2,label,no,yes"
    with pytest.raises(DataError, match="Line 2 has 1 fields, but this model compares two texts"):
        list(to_items(PAIR, ["one\ttwo", "one"]))


def test_several_labels_or_none(tmp_path):
    assert written(SEVERAL, ["x", "y"], "text", tmp_path) == "a,b\t0.9526\tx\n\t0.0474\ty\n"
    assert json.loads(written(SEVERAL, ["x"], "jsonl", tmp_path))["labels"] == ["a", "b"]
    assert written(SEVERAL, ["x"], "csv", tmp_path).splitlines() == [
        "text,labels,a,b,c",
        'x,"a,b",0.952574,0.952574,0.047426',
    ]


def test_values(tmp_path):
    assert written(VALUE, ["x"], "text", tmp_path) == "2.5000\tx\n"
    assert json.loads(written(VALUE, ["x"], "jsonl", tmp_path)) == {"text": "x", "value": 2.5}
    assert written(VALUE, ["x"], "csv", tmp_path) == "text,value\nx,2.500000\n"


def test_tags(tmp_path):
    assert written(TAGGER, ["Ada King sang"], "text", tmp_path) == "Ada\tB-PER\nKing\tI-PER\nsang\tO\n\n"
    record = json.loads(written(TAGGER, ["Ada King sang"], "jsonl", tmp_path))
    assert record["spans"] == [{"kind": "PER", "text": "Ada King", "start": 0, "stop": 8}]
    with pytest.raises(RecipeError, match="cannot be written as CSV"):
        write_answers(TAGGER, ["x"], "csv", None)


def test_spans_of_words_given_one_by_one():
    words = ("Ada", "King", "sang")
    (tagged,) = tag([words], [words], TAGGER.task, TAGGER.rows)
    assert tagged.text == "Ada King sang"
    assert tagged.spans[0].text == tagged.text[tagged.spans[0].start : tagged.spans[0].stop] == "Ada King"


def test_tags_without_spans_mark_none():
    task = Task(("NOUN", "VERB", "X"), "tagging", metric="accuracy")
    (tagged,) = tag(["Ada King sang"], [("Ada", "King", "sang")], task, TAGGER.rows)
    assert tagged.tags == ("VERB", "X", "NOUN")
    assert tagged.spans == ()


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbffirst\r\nsecond\r\n\xef\xbb\xbfthird")
    assert list(read_lines(tmp_path / "a.txt")) == ["first", "second", "\ufeffthird"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", '\ufeffid,text\r\n1,"one, ""two"""\r\n\r\n2,"three\r\nlines"\r\n'),
        ("a.csv", 'sep=;\nid;text\n1;"one, ""two"""\n2;"three\nlines"\n'),
        ("a.csv", 'text\n"one, ""two"""\n"three\nlines"\n'),
        ("a.jsonl", '{"text": "one, \\"two\\""}\n\n{"id": 2, "text": "three\\nlines"}\n'),
    ],
)
def test_the_column_of_a_table_is_read(tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content.encode())
    assert list(read_table(file, ["text"])) == ['one, "two"', "three\nlines"]


def test_two_columns_make_a_pair(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_text('left\tright\nsay "one\ttwo\nthree\tfour\n', encoding="utf-8")
    assert list(read_table(file, ["right", "left"])) == ['two\tsay "one', "four\tthree"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "text,label\n", r"has no column 'txt'. Its first line names: text, label\."),
        ("a.csv", "sep=;\ntext;label\n", r"has no column 'txt'. Its first line names: text, label\."),
        ("a.csv", "", r"has no column 'txt'"),
        ("a.csv", 'id,txt\n1,one\n2,"two\n', "line 3: the row that begins here cannot be read"),
        ("a.csv", "sep=,\nid,txt\n1,one\n2\n", "line 4: there is nothing in the column 'txt'"),
        (
            "a.jsonl",
            '{"txt": "one"}\n{"txt": 2}\n',
            "line 2: there is 2, which is no text, in the column 'txt'",
        ),
        ("a.jsonl", '{"txt": "one"}\n{\n', "line 2: this is no JSON"),
        ("a.jsonl", "[1]\n", "line 1: a JSON list instead of an object"),
    ],
)
def test_tables_that_cannot_be_read_say_where(tmp_path, name, content, said):
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        list(read_table(file, ["txt"]))


def test_a_text_of_several_lines_is_one_line_of_text(tmp_path):
    assert written(TEXT, ["one\nline"], "text", tmp_path) == "yes\t0.9000\tone line\n"
