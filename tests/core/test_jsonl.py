import pytest

from understudy.core.jsonl import append_line, read_lines
from understudy.errors import StoreError


def test_lines_are_added_and_read(tmp_path):
    path = tmp_path / "lines.jsonl"
    assert read_lines(path) == []
    for value in ({"a": "é\n"}, {"b": [1, None]}):
        append_line(path, value)
    assert read_lines(path) == [{"a": "é\n"}, {"b": [1, None]}]


def test_a_line_cut_by_a_kill_is_dropped_for_good(tmp_path):
    path = tmp_path / "lines.jsonl"
    append_line(path, {"a": 1})
    with path.open("ab") as file:
        file.write(b'{"b": ')
    assert read_lines(path) == [{"a": 1}]
    append_line(path, {"c": 3})
    assert read_lines(path) == [{"a": 1}, {"c": 3}]


@pytest.mark.parametrize("line", [b'{"b"', b"[" * 100_000, b"9" * 5_000], ids=["cut", "deep", "long"])
def test_a_damaged_line_is_named(line, tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'\n{"c": 3}\n')
    with pytest.raises(StoreError, match=r"lines.jsonl, line 2 is damaged"):
        read_lines(path)
