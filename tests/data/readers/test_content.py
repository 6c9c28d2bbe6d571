import gzip
import io
import zipfile

import pyarrow as pa
import pytest
from pyarrow import parquet

from understudy.data.readers.blocks import read_blocks
from understudy.data.readers.files import read_table
from understudy.errors import DataError

ROWS = "text,label\n" + "what a film,good\nso dull,bad\n" * 10


def zipped():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.csv", ROWS)
    return data.getvalue()


def columnar():
    data = io.BytesIO()
    parquet.write_table(pa.table({"text": ["a", "b"]}), data)
    return data.getvalue()


CONTENTS = {
    "zip": (
        zipped(),
        r"a zip archive \(as \.xlsx files are\), although.* Unpack it, or save the table as CSV",
    ),
    "gzip": (gzip.compress(ROWS.encode()), r"packed by gzip.* Give its name the ending \.gz"),
    "parquet": (columnar(), r"a Parquet file.* Give its name the ending \.parquet"),
    "utf-16": (ROWS.encode("utf-16"), "looks like UTF-16, not UTF-8"),
    "utf-16le": (ROWS.encode("utf-16le"), "looks like UTF-16, not UTF-8"),
    "utf-16be": (ROWS.encode("utf-16be"), "looks like UTF-16, not UTF-8"),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("read", [read_table, lambda path: list(read_blocks(path))], ids=["whole", "blocks"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_a_file_under_a_wrong_name_is_recognised(tmp_path, content, read, name):
    data, message = CONTENTS[content]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"{name} .*{message}"):
        read(tmp_path / name)


def test_what_is_packed_twice_is_recognised(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(gzip.compress(ROWS.encode())))
    with pytest.raises(DataError, match="packed by gzip"):
        read_table(tmp_path / "a.csv.gz")


@pytest.mark.parametrize(
    "text", ["PK,label\na,b\n", "PAR1,PAR2\na,b\n", "text,label\na\0b,c\n", "BZh,b\na,b\n"]
)
def test_text_is_not_mistaken_for_it(tmp_path, text):
    (tmp_path / "a.csv").write_bytes(text.encode())
    assert len(read_table(tmp_path / "a.csv", header=True)) == 1
