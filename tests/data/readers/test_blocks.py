import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from understudy.data.readers import blocks
from understudy.data.readers.blocks import count_rows, read_blocks, read_lines
from understudy.data.readers.files import read_table
from understudy.errors import DataError

TEXTS = ["one", "two; three", 'say "four"', "fünf", "six"]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)


def joined(tables):
    tables = list(tables)
    columns = {name: [v for t in tables for v in t.columns[name]] for name in tables[0].columns}
    return columns, [place for t in tables for place in t.places]


def write(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


FILES = {
    "a.csv": "id,text\n" + "".join(f"{n},{quoted(t)}\n" for n, t in enumerate(TEXTS)),
    "lines.csv": 'text,n\r\n"two\r\nlines",1\r\n\r\nplain,2\r\nlast,3\r\n',
    "promised.csv": "sep=;\r\nid;text\r\n" + "".join(f"{n};{quoted(t)}\r\n" for n, t in enumerate(TEXTS)),
    "semi.csv": "id;text\n" + "".join(f"{n};{quoted(t)}\n" for n, t in enumerate(TEXTS)),
    "none.csv": "".join(f"{n},{quoted(t)}\n" for n, t in enumerate(TEXTS)),
    "a.tsv": "id\ttext\n" + "".join(f"{n}\t{t}\n" for n, t in enumerate(TEXTS)),
    "quoted.tsv": '"id"\t"text"\n' + "".join(f'"{n}"\t{quoted(t)}\n' for n, t in enumerate(TEXTS)),
    "a.jsonl": "\ufeff" + "".join(json.dumps({"text": t, "n": n}) + "\n\n" for n, t in enumerate(TEXTS)),
    "a.json": json.dumps([{"text": t} for t in TEXTS]),
    "b.jsonl.gz": "".join(json.dumps({"text": t}) + "\n" for t in TEXTS),
    "b.csv.gz": "id,text\n" + "".join(f"{n},{quoted(t)}\n" for n, t in enumerate(TEXTS)),
}


@pytest.mark.parametrize("name", FILES)
def test_blocks_together_are_the_table_read_at_once(name, tmp_path):
    path = write(tmp_path / name, FILES[name])
    whole = read_table(path, kind="classification")
    columns, places = joined(read_blocks(path))
    assert columns == {name: list(values) for name, values in whole.columns.items()}
    assert places == list(whole.places)
    assert name == "a.json" or max(map(len, read_blocks(path))) == 2


@pytest.mark.parametrize(
    "body", ["a,b\rc,d\n", 'a,"b\rc"\nd,e', "a,b\r\rc,d", "a,b\r\r\nc,d\n", "a,b\r\nc,d\r\n"]
)
def test_a_lone_carriage_return_ends_a_row_in_both_readers(body, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + body.encode())
    whole = read_table(path, kind="classification")
    assert joined(read_blocks(path)) == (
        {name: list(values) for name, values in whole.columns.items()},
        list(whole.places),
    )


def read_or_refused(read):
    try:
        return read()
    except DataError:
        return "refused"


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(body=st.text(alphabet='ab,"\r\n \t', max_size=30))
def test_both_readers_take_and_refuse_the_same_files(body, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + body.encode())

    def at_once():
        table = read_table(path, kind="classification")
        return {name: list(values) for name, values in table.columns.items()}, list(table.places)

    assert read_or_refused(lambda: joined(read_blocks(path))) == read_or_refused(at_once)


def test_a_first_line_with_an_expected_name_is_a_header(tmp_path):
    path = write(tmp_path / "a.csv", "Nr,Satz\n1,kurz\n2,eng\n3,rund\n")
    assert joined(read_blocks(path, ("Satz",)))[0]["Satz"] == ["kurz", "eng", "rund"]
    assert "column_2" in joined(read_blocks(path))[0]


def test_parquet_is_read_in_blocks(tmp_path):
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "a.parquet")
    columns, places = joined(read_blocks(tmp_path / "a.parquet"))
    assert columns == {"text": TEXTS}
    assert places == [1, 2, 3, 4, 5]
    assert count_rows(tmp_path / "a.parquet") == 5


def test_a_long_file_is_judged_by_its_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "HEAD", 10)
    monkeypatch.setattr(blocks, "HEAD_ROWS", 2)
    path = write(tmp_path / "a.csv", FILES["a.csv"])
    assert joined(read_blocks(path))[0]["text"] == TEXTS


def test_rows_are_counted_by_lines(tmp_path):
    assert count_rows(write(tmp_path / "a.txt", "a\nb\nc")) == 3
    assert count_rows(write(tmp_path / "a.txt.gz", "a\nb\nc")) == 3


def test_lines_are_numbered_and_keep_no_ends(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeffa\r\n\nb\u2028c\rd")
    assert list(read_lines(path)) == [(1, "a"), (2, ""), (3, "b\u2028c\rd")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"}\n{"te\n', r"line 3: not JSON"),
        ("a.jsonl", b'{"text": "a"}\n[1]\n', r"line 2: a JSON list instead of an object"),
        ("a.csv", b'id,text\n1,"a"\n2,b\n3,"c\n', r"line 4: the row that begins here"),
        ("a.csv", b"id,text\n1,a\n2,b\n3,c,d\n", r"line 4: 3 columns instead of 2"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"id,text\n", "has column names but no rows"),
        ("a.csv", b"id,text\n1,a\xff\n", r"line 2: byte 0xff is not UTF-8"),
        ("a.csv.gz", b"id,text\n1,a\n", "not a whole gzip file"),
        ("a.parquet", b"no", "not a readable Parquet file"),
        ("a.pdf", b"no", "unknown file format"),
    ],
)
def test_what_is_wrong_is_said_by_line(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_blocks(tmp_path / name))


@pytest.mark.parametrize("name", ["a.txt", "a.parquet", "a.txt.gz"])
def test_a_file_that_is_not_there_is_named(name, tmp_path):
    with pytest.raises(DataError, match=f"There is no file .*{name}"):
        count_rows(tmp_path / name)
    with pytest.raises(DataError, match="cannot be read"):
        list(read_lines(tmp_path))
