import gzip

import numpy as np
import pytest

from understudy.augment.rules.synonyms import Neighbours, largest, read_synonyms
from understudy.errors import DataError


def test_synonyms_are_read_and_looked_up_in_lower_case(tmp_path):
    path = tmp_path / "s.tsv"
    path.write_text("Room\tchamber\thall\n\nbig\tlarge \nroom\tspace\n")
    assert read_synonyms(path)(["room", "BIG", "other"]) == [("chamber", "hall", "space"), ("large",), ()]


def test_a_line_without_synonyms_is_refused(tmp_path):
    (tmp_path / "s.tsv").write_text("room\tchamber\nbig\n")
    with pytest.raises(DataError, match=r"s.tsv, line 2: 'big' has no synonym"):
        read_synonyms(tmp_path / "s.tsv")
    with pytest.raises(DataError, match="no file of synonyms"):
        read_synonyms(tmp_path / "none")


@pytest.mark.parametrize("name", ["s", "s.gz"])
def test_files_may_be_packed_and_a_wrong_byte_is_named_by_its_line(tmp_path, name):
    def put(data):
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path / name

    assert read_synonyms(put(b"caf\xc3\xa9\tbar\n"))(["Café"]) == [("bar",)]
    with pytest.raises(DataError, match=f"{name}, line 2: byte 0xe9 is not UTF-8"):
        read_synonyms(put(b"a\tb\ncaf\xe9\tc\n"))


def test_neighbours_are_by_cosine_nearest_first_without_the_word_itself():
    rng = np.random.default_rng(0)
    words = [f"w{n}" for n in range(700)]
    vectors = rng.normal(size=(700, 8)).astype(np.float32)
    near = Neighbours(words, vectors, 4)
    found = near([*words[:600], "W1", "none"])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in range(0, 600, 37):
        order = [n for n in np.argsort(-(unit @ unit[row])) if n != row][:4]
        assert list(found[row]) == [words[n] for n in order]
    assert found[600] == found[1]
    assert found[601] == ()


def test_there_are_no_more_neighbours_than_words():
    assert Neighbours(["a", "b"], np.eye(2, dtype=np.float32), 10)(["a"]) == [("b",)]


@pytest.mark.parametrize(("width", "count"), [(1, 1), (31, 4), (33, 2), (400, 10), (1000, 7), (2081, 40)])
def test_the_largest_are_found_in_lots_as_in_whole_rows(width, count):
    values = np.random.default_rng(width).permuted(np.arange(5 * width).reshape(5, width), axis=1)
    expected = np.argsort(-values, axis=1)[:, :count]
    assert largest(values.astype(np.float32), count).tolist() == expected.tolist()
