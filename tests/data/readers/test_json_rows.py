import pytest

from understudy.data.readers.blocks import read_blocks
from understudy.data.readers.files import read_table
from understudy.errors import DataError

DEEP = "[" * 100_000 + "]" * 100_000
LONG = "9" * 5_000


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.jsonl",
            '{"n": 1}\n{"n": ' + LONG + "}\n",
            r"a\.jsonl, line 2: an integer of more than 4,300 digits",
        ),
        ("a.jsonl", '{"n": ' + DEEP + "}\n", r"a\.jsonl, line 1: JSON nested too deeply"),
        ("a.json", f"[{LONG}]", r"a\.json: an integer of more than 4,300 digits"),
        ("a.json", DEEP, r"a\.json: JSON nested too deeply"),
    ],
    ids=["long in a line", "deep in a line", "long", "deep"],
)
def test_json_that_python_cannot_read_is_refused(tmp_path, name, text, message):
    path = write(tmp_path / name, text)
    with pytest.raises(DataError, match=message):
        read_table(path)
    with pytest.raises(DataError, match=message):
        list(read_blocks(path))
