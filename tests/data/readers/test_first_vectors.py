import gzip

import pytest

from understudy.data.readers.vectors import read_first_vectors
from understudy.errors import DataError


@pytest.mark.parametrize("head", ["", "2 3\n", "\ufeff", "\ufeff2 3\n"])
def test_the_first_words_are_read_with_or_without_a_head(tmp_path, head):
    (tmp_path / "v").write_text(head + "a 1 2 3\nb 4 5 6 \nc 7 8 9\n", encoding="utf-8")
    words, vectors = read_first_vectors(tmp_path / "v", 2)
    assert words == ["a", "b"]
    assert vectors.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_word_may_hold_spaces(tmp_path):
    (tmp_path / "v").write_text("a 1 2\n. . . 3 4\nat b@c.org 5 6\n")
    words, vectors = read_first_vectors(tmp_path / "v", 9)
    assert words == ["a", ". . .", "at b@c.org"]
    assert vectors.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("name", ["v", "v.gz"])
def test_files_may_be_packed_and_a_wrong_byte_is_named_by_its_line(tmp_path, name):
    def put(data):
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path / name

    assert read_first_vectors(put(b"caf\xc3\xa9 1 2\n"), 9)[0] == ["café"]
    with pytest.raises(DataError, match=f"{name}, line 2: byte 0xe9 is not UTF-8"):
        read_first_vectors(put(b"a 1 2\ncaf\xe9 1 2\n"), 9)


def test_a_wrong_line_behind_the_first_words_is_not_read(tmp_path):
    (tmp_path / "v").write_text("a 1 2\nb 1\n")
    assert read_first_vectors(tmp_path / "v", 1)[0] == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\nb 1\n", "v, line 2: a word and 2 numbers are expected, but there are 1 numbers"),
        ("a 1 x\n", "v, line 1, column 3: 'x'"),
        ("a 1 nan\n", "v, line 1, column 3: 'nan'"),
        ("a 1 1e39\n", "v, line 1, column 3: '1e39'"),
        ("", "holds no word vectors"),
        ("a\n", "v, line 1: a word and 1 numbers are expected"),
    ],
)
def test_damaged_vectors_are_refused(tmp_path, text, message):
    (tmp_path / "v").write_text(text)
    with pytest.raises(DataError, match=message):
        read_first_vectors(tmp_path / "v", 10)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no file of word vectors"):
        read_first_vectors(tmp_path / "none", 10)
