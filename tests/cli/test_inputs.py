import gzip
import io
from itertools import chain

import pytest

from understudy.cli import inputs
from understudy.cli.inputs import batches_of, is_table, read_blocks, to_items
from understudy.core.task import Task
from understudy.errors import DataError

TEXT, PAIR = Task(("no", "yes")), Task(("no", "yes"), "pair")


def lines_of(file):
    batches = chain.from_iterable(block.batches() for block in read_blocks(file, TEXT))
    return list(chain.from_iterable(batch.items for batch in batches))


def test_a_byte_order_mark_is_not_part_of_the_first_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbffirst\r\nsecond\r\n\xef\xbb\xbfthird")
    assert lines_of(tmp_path / "a.txt") == ["first", "second", "\ufeffthird"]


@pytest.mark.parametrize(("rest", "lines"), [(b"", []), (b"\n", [""]), (b"\n\n", ["", ""])])
def test_a_byte_order_mark_alone_is_not_a_text(tmp_path, rest, lines):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + rest)
    assert lines_of(tmp_path / "a.txt") == lines
    assert all(block.data for block in read_blocks(tmp_path / "a.txt", TEXT))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    "content", ["", "\n", "one", "one\n", "one\n\nthree\n", "ç\r\nzwölf ★\r\n\r\nlast", "a\x0bb\n"]
)
def test_blocks_of_any_size_give_the_same_lines(tmp_path, monkeypatch, size, content):
    monkeypatch.setattr(inputs, "BLOCK_BYTES", size)
    monkeypatch.setattr(inputs, "MOST_ITEMS", 2)
    (tmp_path / "a.txt").write_bytes(content.encode())
    ends = content.split("\n")
    expected = [line.rstrip("\r") for line in (ends if ends[-1] else ends[:-1])]
    assert lines_of(tmp_path / "a.txt") == expected


def test_a_compressed_file_is_read(tmp_path):
    with gzip.open(tmp_path / "a.txt.gz", "wt", encoding="utf-8") as file:
        file.write("one\ntwo\n")
    assert lines_of(tmp_path / "a.txt.gz") == ["one", "two"]


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"one\n" * 500)[:-9]], ids=["of another kind", "cut short"]
)
def test_a_damaged_compressed_file_is_told(tmp_path, content):
    (tmp_path / "a.txt.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.txt\.gz cannot be read"):
        lines_of(tmp_path / "a.txt.gz")


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_byte_that_is_not_utf8_is_told_with_its_line(tmp_path, monkeypatch, size):
    monkeypatch.setattr(inputs, "BLOCK_BYTES", size)
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfgood\nmore\nba\xffd\n")
    with pytest.raises(DataError, match=r"a\.txt, line 3: byte 0xff is not UTF-8"):
        lines_of(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("line", "is_one"), [("plain é", True), ("a\x0bb", False), ("a\u2028b", False), ("a\x85b", False)]
)
def test_other_line_breaks_are_noticed(tmp_path, line, is_one):
    (tmp_path / "a.txt").write_text(f"first\n{line}\n", encoding="utf-8")
    assert [block.are_lines for block in read_blocks(tmp_path / "a.txt", TEXT)] == [is_one]


def test_every_character_that_breaks_a_line_is_noticed(tmp_path):
    breaks = [chr(code) for code in range(0x110000) if len(f"a{chr(code)}b".splitlines()) > 1 and code != 10]
    for character in breaks:
        (tmp_path / "a.txt").write_bytes(f"a{character}b\n".encode())
        assert not next(read_blocks(tmp_path / "a.txt", TEXT)).are_lines, hex(ord(character))


def test_a_pipe_is_answered_as_it_comes(monkeypatch):
    class Slow(io.BytesIO):
        """Gives one line at a time, and counts."""

        given = 0

        def read1(self, size=-1):
            Slow.given += 1
            return self.readline()

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Slow(b"one\ntwo\n")))
    for number, block in enumerate(read_blocks(None, TEXT), start=1):
        assert block.data.count(b"\n") == 1
        assert Slow.given == number


def test_two_texts_of_a_line_have_a_tab_between():
    assert to_items(["one\ttwo"], PAIR) == [("one", "two")]
    with pytest.raises(DataError, match="Line 12 has 1 field, but this model compares two texts"):
        to_items(["one\ttwo", "one"], PAIR, first=11)


def test_a_line_that_is_not_a_pair_is_told_with_its_number(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "MOST_ITEMS", 2)
    monkeypatch.setattr(inputs, "BLOCK_BYTES", 30)
    (tmp_path / "a.txt").write_text("one\ttwo\n" * 9 + "one\ttwo\tthree\n", encoding="utf-8")
    blocks = read_blocks(tmp_path / "a.txt", PAIR)
    with pytest.raises(DataError, match="Line 10 has 3 fields"):
        list(chain.from_iterable(block.batches() for block in blocks))


def test_items_come_in_batches(monkeypatch):
    monkeypatch.setattr(inputs, "MOST_ITEMS", 2)
    assert [list(batch.items) for batch in batches_of("abc")] == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.CSV", True),
        ("a.json.gz", True),
        ("a.parquet", True),
        ("a.txt", False),
        ("a.txt.gz", False),
        ("csv", False),
    ],
)
def test_tables_are_known_by_their_ending(tmp_path, name, expected):
    assert is_table(tmp_path / name) is expected
