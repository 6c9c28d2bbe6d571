import gzip

import pyarrow as pa
import pytest
from pyarrow import parquet

from understudy.data.pools import read_pool
from understudy.errors import DataError


def test_plain_lines_in_order_each_once(tmp_path):
    (tmp_path / "a.txt").write_text("one, two\n\none, two\n  \n text;label \r\n", encoding="utf-8")
    pool = read_pool([tmp_path / "a.txt"])
    assert pool.texts == ("one, two", " text;label ")
    assert pool.notes == (
        "Read 2 unlabelled texts, 1 repeated ones left out, 2 blank ones left out from a.txt.",
    )


def test_every_form_and_globs(tmp_path):
    (tmp_path / "1.tsv").write_text("sentence\tlabel\nfrom tsv\t1\n\t0\n", encoding="utf-8")
    (tmp_path / "2.jsonl").write_text('{"body": "from jsonl"}\n{"body": null}\n', encoding="utf-8")
    (tmp_path / "3.txt.gz").write_bytes(gzip.compress(b"from gz\nfrom tsv\n"))
    parquet.write_table(pa.table({"comment": ["from parquet"], "n": [1]}), tmp_path / "4.parquet")
    pool = read_pool([tmp_path / "2.jsonl", str(tmp_path / "*")])
    assert pool.texts == ("from jsonl", "from tsv", "from gz", "from parquet")
    assert pool.notes == (
        "Read 1 unlabelled texts, 1 blank ones left out from 2.jsonl, column 'body' (guessed).",
        "Read 1 unlabelled texts, 1 blank ones left out from 1.tsv, column 'sentence' (guessed).",
        "Read 1 unlabelled texts, 1 repeated ones left out from 3.txt.gz.",
        "Read 1 unlabelled texts from 4.parquet, column 'comment' (guessed).",
    )


def test_a_named_column_is_taken_where_there_is_one(tmp_path):
    (tmp_path / "a.csv").write_text("text,subject\nlong,short\n", encoding="utf-8")
    assert read_pool([tmp_path / "a.csv"], "subject").texts == ("short",)
    assert read_pool([tmp_path / "a.csv"], "elsewhere").texts == ("long",)


def test_a_path_with_glob_characters_is_a_path(tmp_path):
    (tmp_path / "a[1].txt").write_text("one\n", encoding="utf-8")
    assert read_pool([tmp_path / "a[1].txt"]).texts == ("one",)


def test_what_matches_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"No unlabelled file matches .*none\*\.txt"):
        read_pool([f"{tmp_path}/none*.txt"])
    with pytest.raises(DataError, match="is a folder"):
        read_pool([tmp_path])
    (tmp_path / "blank.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(DataError, match=r"blank\.txt holds no text"):
        read_pool([tmp_path / "blank.txt"])


def test_no_pool_is_empty():
    assert read_pool([]).texts == ()
