import gzip

import pytest

from understudy.data.readers.text import read_bytes, read_text, split_lines
from understudy.errors import DataError


def test_text_is_read_as_it_stands(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("äöü\r\nzwei\n".encode())
    assert read_text(path) == "äöü\r\nzwei\n"


def test_byte_order_mark_and_gzip_are_undone(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("\ufefftext,label\n".encode()))
    assert read_text(path) == "text,label\n"


def test_wrong_byte_is_named_with_line_and_value(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes(b"text,label\nfine,a\ncaf\xe9,b\n")
    with pytest.raises(
        DataError, match=r"latin\.csv, line 3: byte 0xe9 is not UTF-8\. Save the file as UTF-8"
    ):
        read_text(path)


def test_utf16_is_recognised(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_bytes("text,label\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"wide\.csv looks like UTF-16, not UTF-8\. Save"):
        read_text(path)


@pytest.mark.parametrize("damage", [lambda data: data[:-12], lambda data: b"no gzip", lambda data: data[:20]])
def test_damaged_gzip_is_said(tmp_path, damage):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(damage(gzip.compress(b"some text " * 50)))
    with pytest.raises(DataError, match=r"a\.txt\.gz is not a whole gzip file"):
        read_text(path)


def test_missing_and_unreadable_paths_are_said(tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*nowhere"):
        read_bytes(tmp_path / "nowhere.txt")
    with pytest.raises(DataError, match="cannot be read"):
        read_bytes(tmp_path)


def test_only_line_feeds_end_lines():
    assert split_lines("a\r\nb\u2028c\x85d\n\ne") == ["a", "b\u2028c\x85d", "", "e"]
    assert split_lines("a\n") == ["a"]
    assert split_lines("") == []
