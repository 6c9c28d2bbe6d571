import gzip
import os

import pyarrow as pa
import pytest
from pyarrow import parquet

from understudy.data.unlabelled import read_pool
from understudy.errors import DataError


def test_a_file_whose_name_is_not_utf8_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"a\xff.txt")).write_text("one\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"The name of .*a\\udcff\.txt' is not valid UTF-8\. Rename"):
        read_pool([tmp_path / "*.txt"])


def test_plain_lines_in_order_each_once(tmp_path):
    (tmp_path / "a.txt").write_text("one, two\n\none, two\n  \n text;label \r\n", encoding="utf-8")
    pool = read_pool([tmp_path / "a.txt"])
    assert pool.texts == ("one, two", " text;label ")
    assert pool.notes == (
        "Read 2 unlabelled texts, 1 repeated one left out, 2 blank ones left out from a.txt.",
    )


def test_every_form_and_globs(tmp_path):
    (tmp_path / "1.tsv").write_text("sentence\tlabel\nfrom tsv\t1\n\t0\n", encoding="utf-8")
    (tmp_path / "2.jsonl").write_text('{"body": "from jsonl"}\n{"body": null}\n', encoding="utf-8")
    (tmp_path / "3.txt.gz").write_bytes(gzip.compress(b"from gz\nfrom tsv\n"))
    parquet.write_table(pa.table({"comment": ["from parquet"], "n": [1]}), tmp_path / "4.parquet")
    pool = read_pool([tmp_path / "2.jsonl", str(tmp_path / "*")])
    assert pool.texts == ("from jsonl", "from tsv", "from gz", "from parquet")
    assert pool.notes == (
        "Read 1 unlabelled text, 1 blank one left out from 2.jsonl, column 'body' (guessed).",
        "Read 1 unlabelled text, 1 blank one left out from 1.tsv, column 'sentence' (guessed).",
        "Read 1 unlabelled text, 1 repeated one left out from 3.txt.gz.",
        "Read 1 unlabelled text from 4.parquet, column 'comment' (guessed).",
    )


def test_a_named_column_is_taken_where_there_is_one(tmp_path):
    (tmp_path / "a.csv").write_text("text,subject\nlong,short\n", encoding="utf-8")
    assert read_pool([tmp_path / "a.csv"], "subject").texts == ("short",)
    assert read_pool([tmp_path / "a.csv"], "elsewhere").texts == ("long",)


def test_a_first_line_with_the_named_column_is_a_header(tmp_path):
    (tmp_path / "a.csv").write_text(
        "Nr,Satz,Strasse\n1,kurz,a long street\n2,eng,another one\n", encoding="utf-8"
    )
    assert read_pool([tmp_path / "a.csv"], "Satz").texts == ("kurz", "eng")
    (tmp_path / "b.csv").write_text("Nr,Satz,Frage\n1,kurz,wie\n2,eng,was\n", encoding="utf-8")
    pairs = read_pool([tmp_path / "b.csv"], ("Frage", "Satz"), kind="pair", texts=2).texts
    assert pairs == (("wie", "kurz"), ("was", "eng"))


def test_a_path_with_glob_characters_is_a_path(tmp_path):
    (tmp_path / "a[1].txt").write_text("one\n", encoding="utf-8")
    assert read_pool([tmp_path / "a[1].txt"]).texts == ("one",)


def test_what_matches_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"No unlabelled file matches .*none\*\.txt"):
        read_pool([f"{tmp_path}/none*.txt"])
    with pytest.raises(DataError, match="is a folder"):
        read_pool([tmp_path])
    (tmp_path / "pool.txt").write_text("a\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"No unlabelled file matches .*pol\.txt'\. Did you mean .*pool\.txt'\?"
    ):
        read_pool([tmp_path / "pol.txt"])
    with pytest.raises(DataError, match="no home folder for '~nobody-here'"):
        read_pool(["~nobody-here/*.txt"])
    with pytest.raises(DataError, match="/dev/null is a device, not a file"):
        read_pool(["/dev/null"])
    (tmp_path / "blank.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(DataError, match=r"blank\.txt holds no text"):
        read_pool([tmp_path / "blank.txt"])


def test_no_pool_is_empty():
    assert read_pool([]).texts == ()


def test_pairs_of_plain_lines_and_of_two_columns(tmp_path):
    (tmp_path / "a.txt").write_text("one\ttwo\n\nthree \tfour\none\ttwo\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("id,text_a,text_b\n1,five,six\n2,,seven\n", encoding="utf-8")
    (tmp_path / "c.tsv").write_text("eight\tnine nine\nten\televen\n", encoding="utf-8")
    pool = read_pool([tmp_path / "*"], kind="pair", texts=2)
    assert pool.texts == (
        ("one", "two"), ("three ", "four"), ("five", "six"), ("eight", "nine nine"), ("ten", "eleven"),
    )  # fmt: skip
    assert pool.notes == (
        "Read 2 unlabelled texts, 1 repeated one left out, 1 blank one left out from a.txt.",
        "Read 1 unlabelled text, 1 blank one left out from b.csv, columns 'text_a' and 'text_b' (guessed).",
        "Read 2 unlabelled texts from c.tsv, columns 'column_1' and 'column_2' (guessed).",
    )
    named = read_pool([tmp_path / "b.csv"], ("text_b", "id"), kind="regression", texts=2)
    assert named.texts == (("six", "1"), ("seven", "2"))


def test_what_is_no_pair_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("one\ttwo\nthree\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.txt, line 2: 1 text instead of a pair\. Each line holds"):
        read_pool([tmp_path / "a.txt"], kind="pair", texts=2)
    (tmp_path / "a.txt").write_text("one\ttwo\tthree\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: 3 texts instead of a pair"):
        read_pool([tmp_path / "a.txt"], kind="pair", texts=2)
    (tmp_path / "a.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.txt holds no pair"):
        read_pool([tmp_path / "a.txt"], kind="pair", texts=2)


def test_sentences_of_every_form(tmp_path):
    (tmp_path / "1.txt").write_text("Don’t Go!\n\u200b\nA b\n", encoding="utf-8")
    (tmp_path / "2.txt").write_text("Anna B-X\nsings O\n\nin O\nRome B-X\n", encoding="utf-8")
    (tmp_path / "3.conllu").write_text("1\tOui\toui\tINTJ" + "\t_" * 6 + "\n", encoding="utf-8")
    (tmp_path / "4.conll").write_text("only\nwords\n", encoding="utf-8")
    (tmp_path / "5.jsonl").write_text('{"tokens": ["A", "b"]}\n{"tokens": []}\n', encoding="utf-8")
    (tmp_path / "6.jsonl").write_text('{"text": "Yes, yes"}\n{"text": " "}\n', encoding="utf-8")
    pool = read_pool([tmp_path / "*"], kind="tagging")
    assert pool.texts == (
        ("Don’t", "Go", "!"), ("A", "b"), ("Anna", "sings"), ("in", "Rome"), ("Oui",), ("only", "words"),
        ("Yes", ",", "yes"),
    )  # fmt: skip
    assert tuple(note.removeprefix("Read ").replace(" one left out", "") for note in pool.notes) == (
        "2 unlabelled texts, 1 blank from 1.txt, cut into words.",
        "2 unlabelled texts from 2.txt, its words.",
        "1 unlabelled text from 3.conllu, its words.",
        "1 unlabelled text from 4.conll, its words.",
        "0 unlabelled texts, 1 repeated, 1 blank from 5.jsonl, column 'tokens'.",
        "1 unlabelled text, 1 blank from 6.jsonl, column 'text' (guessed), cut into words.",
    )
    (tmp_path / "1.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(DataError, match=r"1\.txt holds no words"):
        read_pool([tmp_path / "1.txt"], kind="tagging")


def test_a_named_column_of_sentences(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"forms": ["A", "b"], "words": ["c"]}\n', encoding="utf-8")
    assert read_pool([tmp_path / "a.jsonl"], "forms", kind="tagging").texts == (("A", "b"),)
    assert read_pool([tmp_path / "a.jsonl"], "elsewhere", kind="tagging").texts == (("c",),)
    (tmp_path / "a.csv").write_text("said,text\nHo ho,No\n", encoding="utf-8")
    assert read_pool([tmp_path / "a.csv"], "said", kind="tagging").texts == (("Ho", "ho"),)
