import csv
import io
import json
import sys

import numpy as np
import pytest

from understudy.cli.answers import write_answers
from understudy.cli.inputs import batches_of, to_items
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.runtime.tagging import tag

LOGIT = {0.9: float(np.log(9)), 0.5: 0.0}


class Oracle:
    """Answers with fixed logits, one row an item."""

    def __init__(self, task, *rows):
        self.task, self.rows, self.fast = task, np.array(rows, dtype=np.float32), None

    def logits(self, items):
        return self.rows[: len(items)]

    def predict(self, items):
        words = [tuple(item.split()) for item in items]
        return tag(items, words, self.task, self.rows.argmax(axis=1))


TEXT = Oracle(Task(("no", "yes")), [0.0, LOGIT[0.9]], [LOGIT[0.9], 0.0])
PAIR = Oracle(Task(("no", "yes"), "pair"), [0.0, LOGIT[0.9]])
SEVERAL = Oracle(Task(("a", "b", "c"), "multilabel"), [3.0, 3.0, -3.0], [-3.0, -3.0, -3.0])
VALUE = Oracle(Task(("score",), "regression", bounds=(0.0, 5.0)), [0.5])
TAGGER = Oracle(Task(("O", "B-PER", "I-PER"), "tagging"), [0, 2, 0], [0, 0, 2], [2, 0, 0])


def written(model, lines, file_format, tmp_path):
    write_answers(model, batches_of(to_items(lines, model.task)), file_format, tmp_path / "out")
    return (tmp_path / "out").read_text(encoding="utf-8")


def test_labels(tmp_path):
    assert written(TEXT, ["one", "two"], "text", tmp_path) == "yes\t0.9000\tone\nno\t0.9000\ttwo\n"
    record = json.loads(written(TEXT, ["one"], "jsonl", tmp_path))
    assert record == {"text": "one", "label": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}
    assert written(TEXT, ["one"], "csv", tmp_path) == "text,label,no,yes\none,yes,0.100000,0.900000\n"


@pytest.mark.parametrize("file_format", ["text", "jsonl", "csv"])
def test_a_lone_surrogate_is_replaced_alike_in_a_file_and_on_standard_output(
    tmp_path, monkeypatch, file_format
):
    in_file = written(TEXT, ["half \ud83d of it"], file_format, tmp_path)
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="utf-8"))
    write_answers(TEXT, batches_of(["half \ud83d of it"]), file_format, None)
    sys.stdout.flush()
    assert "half ? of it" in in_file
    assert output.getvalue().decode() == in_file


def test_pairs(tmp_path):
    assert written(PAIR, ["one\ttwo"], "text", tmp_path) == "yes\t0.9000\tone\ttwo\n"
    assert json.loads(written(PAIR, ["one\ttwo"], "jsonl", tmp_path))["text"] == ["one", "two"]
    assert written(PAIR, ["one\ttwo"], "csv", tmp_path).splitlines()[0] == "text_1,text_2,label,no,yes"


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
    (tagged,) = tag([words], [words], TAGGER.task, TAGGER.rows.argmax(axis=1))
    assert tagged.text == "Ada King sang"
    assert tagged.spans[0].text == tagged.text[tagged.spans[0].start : tagged.spans[0].stop] == "Ada King"


def test_tags_without_spans_mark_none():
    task = Task(("NOUN", "VERB", "X"), "tagging", metric="accuracy")
    (tagged,) = tag(["Ada King sang"], [("Ada", "King", "sang")], task, TAGGER.rows.argmax(axis=1))
    assert tagged.tags == ("VERB", "X", "NOUN")
    assert tagged.spans == ()


def test_a_text_of_several_lines_is_one_line_of_text(tmp_path):
    assert written(TEXT, ["one\nline"], "text", tmp_path) == "yes\t0.9000\tone line\n"


def test_labels_that_would_break_a_line_are_escaped(tmp_path):
    odd = ("two\nlines", "a\\b\x1b[31m\0\t")
    model = Oracle(Task(odd), [LOGIT[0.9], 0.0], [0.0, LOGIT[0.9]])
    assert written(model, ["x", "y"], "text", tmp_path) == (
        "two\\nlines\t0.9000\tx\na\\\\b\\x1b[31m\\x00\\t\t0.9000\ty\n"
    )
    assert [
        json.loads(line)["label"] for line in written(model, ["x", "y"], "jsonl", tmp_path).splitlines()
    ] == [*odd]


def test_several_labels_with_commas_stay_apart(tmp_path):
    model = Oracle(Task(("a", "b,c", "a,b"), "multilabel"), [3.0, 3.0, -3.0], [-3.0, -3.0, 3.0])
    lines = written(model, ["x", "y"], "text", tmp_path).splitlines()
    assert [line.split("\t")[0] for line in lines] == ["a,b\\,c", "a\\,b"]
    rows = list(csv.reader(written(model, ["x", "y"], "csv", tmp_path).splitlines()))
    assert [row[1] for row in rows[1:]] == ["a,b\\,c", "a\\,b"]


def test_cells_of_a_spreadsheet_stay_as_they_are(tmp_path):
    assert written(TEXT, ["=1+1"], "csv", tmp_path).splitlines()[1].startswith("=1+1,yes,")


def test_lines_and_records_hold_the_same_probability(tmp_path):
    """Lines are written from tables, JSON from records: four decimals of the same number."""
    generator = np.random.default_rng(0)
    model = Oracle(Task(tuple("abcde")), *generator.normal(scale=4, size=(500, 5)))
    texts = [f"text {number}" for number in range(500)]
    lines = [line.split("\t") for line in written(model, texts, "text", tmp_path).splitlines()]
    records = [json.loads(line) for line in written(model, texts, "jsonl", tmp_path).splitlines()]
    assert [line[0] for line in lines] == [record["label"] for record in records]
    assert [line[2] for line in lines] == texts
    for line, record in zip(lines, records, strict=True):
        # records round to six decimals first: the fourth may differ by one where the fifth is a 5
        assert abs(float(line[1]) - record["probabilities"][line[0]]) < 5.1e-5


def test_an_answer_is_written_before_the_next_batch_is_read(tmp_path):
    seen = []

    def batches():
        for text in ("one", "two"):
            yield next(batches_of([text]))
            seen.append((tmp_path / "out").read_text(encoding="utf-8"))

    write_answers(TEXT, batches(), "text", tmp_path / "out")
    assert [said.count("\n") for said in seen] == [1, 2]
