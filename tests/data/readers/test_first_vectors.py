import gzip

import numpy as np
import pytest

from understudy.data.readers.vectors import read_first_vectors, read_vectors
from understudy.errors import DataError

WORDS = ("[PAD]", "good", "bad", "film")
GLOVE = "the 1 2 3\ngood 0.5 -1 2e-1\nfilm 4 5 6\n"
EXPECTED = [[0, 0, 0], [0.5, -1, 0.2], [0, 0, 0], [4, 5, 6]]


@pytest.fixture
def file(tmp_path):
    """text, packed → the path of a file of it."""

    def write(text, packed=False, name="vectors.txt"):
        content = text if isinstance(text, bytes) else text.encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if packed else content)
        return path

    return write


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        GLOVE,
        "3 3\n" + GLOVE,  # word2vec
        "3 3\n" + GLOVE.replace("\n", " \n"),  # fastText ends its lines with a space
        GLOVE.replace(" ", "\t"),
        GLOVE.replace("\n", "\r\n"),
        GLOVE.removesuffix("\n"),
        GLOVE + "\n",
    ],
)
def test_every_text_format_is_read(file, text, packed):
    found = read_vectors(file(text, packed), WORDS)
    assert found.rows.dtype == np.float32
    np.testing.assert_allclose(found.rows, EXPECTED, rtol=1e-6)
    assert found.is_found.tolist() == [False, True, False, True]


def test_words_with_spaces_and_odd_characters_do_not_disturb(file):
    text = ". . . 1 1 1\na\xa0b 2 2 2\n\x85 3 3 3\nat name@domain.com 4 4 4\ngood 0.5 -1 0.2\nfilm 4 5 6\n"
    found = read_vectors(file("6 3\n" + text), (*WORDS, ".", "a", "\x85"))
    np.testing.assert_allclose(found.rows[:4], EXPECTED, rtol=1e-6)
    assert found.is_found[4:].tolist() == [False, False, True]


def test_bytes_that_are_no_utf8_are_other_words(file):
    found = read_vectors(file(b"f\xfflm 9 9 9\n" + GLOVE.encode()), WORDS)
    np.testing.assert_allclose(found.rows, EXPECTED, rtol=1e-6)


def test_capitals_stand_in_for_a_word_that_the_file_has_not(file):
    text = "Good 1 1\nGOOD 2 2\nFilm 3 3\nfilm 4 4\nfilm 5 5\nBAD 6 6\nBad 7 7\n"
    found = read_vectors(file(text), (*WORDS, "Bad"))
    assert found.rows[:, 0].tolist() == [0, 1, 6, 4, 7]


def test_a_word_that_is_wanted_twice_is_found_twice(file):
    assert read_vectors(file(GLOVE), ("good", "", "good")).rows[:, 0].tolist() == [0.5, 0, 0.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "good 1 2 3\nfilm 4 5\n",
            r"vectors.txt, line 2: a word and 3 numbers are expected, but there are 2",
        ),
        ("2 3\ngood 1 2\n", r"line 2: a word and 3 numbers are expected, but there are 2"),
        ("good\n", r"line 1: a word and 1 numbers are expected.*the binary one is not read"),
        (b"1 3\ngood \x00\x01\x02\x03\xff", r"line 2: a word and 3 numbers"),
        ("the 1 2\ngood 1 x2\n", r"vectors.txt, line 2, column 3: 'x2' is not a finite number"),
        ("good 1 nan\n", r"line 1, column 3: 'nan' is not a finite number"),
        ("good 1e39 2\n", r"line 1, column 2: '1e39' is not a finite number"),
        ("the 1 2\n", r"has a vector for none of the 3 words"),
        ("", r"has a vector for none of the 3 words"),
    ],
)
def test_what_is_damaged_is_refused_by_its_line(file, text, message):
    with pytest.raises(DataError, match=message):
        read_vectors(file(text), WORDS[1:])


def test_a_missing_and_a_torn_file_are_refused(file, tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt cannot be read: No such file"):
        read_vectors(tmp_path / "nowhere.txt", WORDS)
    torn = file(gzip.compress(GLOVE.encode() * 50)[:-10], name="torn.gz")
    with pytest.raises(DataError, match=r"torn\.gz cannot be read"):
        read_vectors(torn, WORDS)


def test_lines_that_nobody_wants_are_not_parsed(file):
    assert read_vectors(file("the x y z\n" + GLOVE), WORDS).is_found.any()


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
