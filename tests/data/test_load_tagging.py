"""Sentences with a tag for each word, from each form of file, to a data set."""

import pytest

from understudy.data import load_dataset
from understudy.errors import DataError, RecipeError

from .forms import COUNT, in_columns, tagged, total, write, write_rows


@pytest.mark.parametrize("form", ["jsonl", "parquet", "conll", "bio", "iob", "conll.gz", "tsv", "txt"])
@pytest.mark.parametrize("mark", ["\t", " "])
def test_tagged_sentences_of_every_form_are_inferred(tmp_path, form, mark):
    path = tmp_path / f"all.{form}"
    if form in ("jsonl", "parquet"):
        write_rows(path, tagged())
    else:
        write(path, in_columns(tagged(), mark))
    data = load_dataset(path)
    assert (data.task.kind, data.task.labels, data.task.metric) == (
        "tagging", ("O", "B-LOC", "I-LOC"), "span_f1",
    )  # fmt: skip
    assert total(data) == COUNT
    assert all(len(words) == 3 for words in data.train.texts)
    assert data.train.labels.tolist() == [0, 1, 2] * len(data.train)
    assert data.notes[0].startswith("The task is tagging: ")
    assert data.notes[-1].endswith("at random, seed 0.")
    assert data.label_counts()["dev"] == dict.fromkeys(data.task.labels, len(data.dev))


def test_parts_of_speech_are_told_by_accuracy(tmp_path):
    rows = "".join(f"letters{n}\tNOUN\nspelled{n}\tVERB\n\n" for n in range(COUNT))
    path = write(tmp_path / "all.tsv", rows)
    data = load_dataset(path, kind="tagging")
    assert (data.task.labels, data.task.metric) == (("NOUN", "VERB"), "accuracy")
    assert load_dataset(path, kind="tagging", metric="macro_f1").task.metric == "macro_f1"
    assert load_dataset(path).task.kind == "classification"  # no tags of spans: not unmistakable
    with pytest.raises(RecipeError, match="'span_f1' needs tags such as"):
        load_dataset(path, kind="tagging", metric="span_f1")


def test_columns_of_conll_go_by_name_and_number(tmp_path):
    path = write(tmp_path / "all.conll", "\n".join(f"w{n} N x O\nw V y B-X\n" for n in range(COUNT)))
    data = load_dataset(path)
    assert data.task.labels == ("O", "B-X")
    said = "Read column 'column_1' as words and 'column_4' as tags (guessed; "
    assert any(note.startswith(said) for note in data.notes)
    for column in ("2", "column_2"):
        assert load_dataset(path, label_column=column).task.labels == ("N", "V")
    named = load_dataset(path, text_column="1", label_column="3", delimiter=" ")
    assert (named.train.texts[0], named.task.labels) == (("w0", "w"), ("x", "y"))
    with pytest.raises(DataError, match=r"all\.conll has no column '5'"):
        load_dataset(path, label_column="5")
    with pytest.raises(DataError, match="cannot be both the words and the tags"):
        load_dataset(path, label_column="1")
    with pytest.raises(RecipeError, match="A header cannot be chosen"):
        load_dataset(path, header=True)


def test_universal_dependencies(tmp_path):
    words = "1-2\tdon't" + "\t_" * 8
    words += "\n1\tdo{n}\tdo\tAUX\tVBP" + "\t_" * 5 + "\n2\tn't\tnot\tPART\tRB" + "\t_" * 5
    text = "\n\n".join(words.format(n=n) for n in range(COUNT))
    for name in ("all.conllu", "all.conllu.gz"):
        path = write(tmp_path / name, text)
        data = load_dataset(path)
        assert (data.task.labels, data.task.metric) == (("AUX", "PART"), "accuracy")
        assert data.train.texts[0] == ("do0", "n't")
        assert any("Read column 'form' as words and 'upos' as tags" in note for note in data.notes)
    assert load_dataset(path, label_column="xpos").task.labels == ("RB", "VBP")
    with pytest.raises(DataError, match="line 2: the word 'do0': it has no tag"):
        load_dataset(path, label_column="feats")
    with pytest.raises(RecipeError, match="A delimiter cannot be chosen"):
        load_dataset(path, delimiter=",")


def test_iob1_is_read_and_said(tmp_path):
    rows = [{"words": ["a", f"b{n}", "c"], "tags": ["O", "I-X", "I-X"]} for n in range(COUNT)]
    write(tmp_path / "train.conll", in_columns(rows))
    write(tmp_path / "dev.conll", in_columns([{"words": ["d", "e"], "tags": ["B-X", "I-X"]}]))
    data = load_dataset(tmp_path)
    assert data.task.labels == ("O", "B-X", "I-X")
    assert "Rewrote 30 train sentences in BIO: an I-X begins a span there, as in IOB1." in data.notes
    assert not any("dev sentence" in note for note in data.notes)


def test_a_tag_that_continues_a_known_span_need_not_be_in_train(tmp_path):
    rows = [{"words": ["a", f"b{n}"], "tags": ["O", "B-X"]} for n in range(COUNT)]
    write(tmp_path / "train.conll", in_columns(rows))
    write(tmp_path / "dev.conll", in_columns([{"words": ["d", "e"], "tags": ["B-X", "I-X"]}]))
    assert load_dataset(tmp_path).task.labels == ("O", "B-X", "I-X")
    write(tmp_path / "dev.conll", in_columns([{"words": ["d", "e"], "tags": ["O", "B-Y"]}]))
    with pytest.raises(DataError, match=r"dev\.conll, line 2: label 'B-Y' does not occur in .*train\.conll"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"words": ["a", "b"], "tags": ["O"]}, "line 31: 2 words, but 1 tag\\."),
        ({"words": ["a"], "tags": "O"}, "line 31: the tags are a str instead of a list"),
        ({"words": ["a", "b"], "tags": ["O", None]}, "line 31, word 2: the word 'b': it has no tag"),
        ({"words": ["a"], "tags": [" "]}, "line 31, word 1: the word 'a': the label is empty"),
        ({"words": ["a"], "tags": [0.5]}, "line 31, word 1: the word 'a': the label is a float"),
        ({"words": [], "tags": []}, "line 31: a sentence without words"),
    ],
)
def test_bad_sentences_are_refused(tmp_path, row, message):
    path = write_rows(tmp_path / "all.jsonl", [*tagged(), row])
    with pytest.raises(DataError, match=rf"all\.jsonl, {message}"):
        load_dataset(path, kind="tagging")


def test_bad_columns_are_refused(tmp_path):
    path = write(tmp_path / "all.conll", in_columns(tagged()) + "word\n")
    with pytest.raises(DataError, match=r"all\.conll, line 120: 1 column instead of 2: the word 'word' has"):
        load_dataset(path)
    path.write_bytes(b"a\tO\nb\xff\tO\n")
    with pytest.raises(DataError, match=r"all\.conll, line 2: byte 0xff is not UTF-8"):
        load_dataset(path)
    one = write(tmp_path / "one.conll", "a\nb\n")
    with pytest.raises(DataError, match="has no columns of words and of tags; found 'words'"):
        load_dataset(one)
    table = write(tmp_path / "all.csv", "text,label\na,x\n")
    with pytest.raises(DataError, match="has no columns of words and of tags; found 'text', 'label'"):
        load_dataset(table, kind="tagging")


def test_a_sentence_leaks_however_it_was_cut(tmp_path):
    rows = [*tagged(), {"words": ["IN", "Rome-x", "today"], "tags": ["O", "B-LOC", "O"]}]
    write(tmp_path / "train.conll", in_columns(rows))
    write_rows(tmp_path / "dev.jsonl", [{"words": ["in", "Rome", "-", "x", "today"], "tags": ["O"] * 5}])
    write(tmp_path / "test.conll", in_columns([{"words": ["x", "y"], "tags": ["O", "B-LOC"]}]))
    write(tmp_path / "unlabelled.txt", "X Y\n\nIn Rome, again!\n...\n")
    data = load_dataset(tmp_path)
    assert len(data.train) == COUNT
    assert data.unlabelled == (("In", "Rome", ",", "again", "!"), (".", ".", "."))
    assert data.dropped == {"train texts also in dev": 1, "unlabelled texts also in dev or test": 1}


def test_the_bundled_set_has_tags_too():
    tags = load_dataset("bundled:concierge", kind="tagging")
    assert (tags.task.kind, tags.task.metric, tags.task.labels[0]) == ("tagging", "span_f1", "O")
    assert isinstance(tags.unlabelled[0], tuple)
    assert load_dataset("bundled:concierge", kind="classification").task.kind == "classification"
    with pytest.raises(RecipeError, match="--kind pair cannot be chosen for 'bundled:concierge'"):
        load_dataset("bundled:concierge", kind="pair")


def test_too_few_rows_to_split_at_random(tmp_path):
    path = write(tmp_path / "all.conll", in_columns(tagged(2)))
    with pytest.raises(DataError, match=r"has 2 rows, too few .* each part needs a different text, which"):
        load_dataset(path)
    assert total(load_dataset(write(path, in_columns(tagged(3))))) == 3
