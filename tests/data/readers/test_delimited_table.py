import time

import pytest

from understudy.data.readers.blocks import read_blocks
from understudy.data.readers.files import read_table
from understudy.errors import DataError, RecipeError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_guesses_are_said_and_wishes_are_not_guesses(tmp_path):
    path = write(tmp_path / "a.csv", "text;label\none;x\n")
    assert read_table(path).guesses == (
        "columns are separated by ';' (guessed; use --delimiter).",
        "the first line names the columns (guessed; use --header / --no-header).",
    )
    assert read_table(path, delimiter=";", header=True).guesses == ()
    assert list(read_table(path, delimiter=";", header=False).columns) == ["column_1", "column_2"]
    assert list(read_table(path, delimiter=":", header=True).columns) == ["text;label"]


def test_headerless_columns_are_numbered(tmp_path):
    table = read_table(write(tmp_path / "a.tsv", 'a "fine film\t1\nnot so fine\t0\n'))
    assert table.columns == {"column_1": ('a "fine film', "not so fine"), "column_2": ("1", "0")}
    assert "is a row" in table.guesses[0]


def test_a_column_that_the_user_names_tells_the_header(tmp_path):
    path = write(tmp_path / "a.csv", "what they wrote,how it ended\none,x\n")
    assert list(read_table(path).columns) == ["column_1", "column_2"]
    table = read_table(path, expected=(None, "how it ended"))
    assert list(table.columns) == ["what they wrote", "how it ended"]
    assert table.guesses == ()


def test_an_earlier_file_settles_the_header(tmp_path):
    odd = "wrote it,ended so\n"
    train = read_table(write(tmp_path / "train.csv", odd + "one,x\n"), header=True)
    assert len(read_table(write(tmp_path / "dev.csv", odd + "two,y\n"), like=train)) == 1
    bare = read_table(write(tmp_path / "bare.csv", "one two three four,1\nb,0\n"))
    assert len(read_table(write(tmp_path / "test.csv", "text,label\ntwo,y\n"), like=bare)) == 2


def test_nameless_columns_get_their_number(tmp_path):
    assert list(read_table(write(tmp_path / "a.csv", ",text,label\n0,a,x\n")).columns) == [
        "column_1",
        "text",
        "label",
    ]


def test_empty_columns_of_a_spreadsheet_hide_no_header(tmp_path):
    table = read_table(write(tmp_path / "a.csv", "text,label,,\na,x,,\nb,y,,\n"))
    assert list(table.columns) == ["text", "label", "column_3", "column_4"]
    assert len(table) == 2


@pytest.mark.parametrize("read", [read_table, lambda path: list(read_blocks(path))], ids=["whole", "blocks"])
def test_one_line_of_very_many_columns_is_refused(tmp_path, read):
    path = write(tmp_path / "a.csv", '[{"text": "a"},' * 20_000 + "0]\n")
    with pytest.raises(
        DataError, match=r"one line of 20,001 columns\. It looks like JSON: give its name .*\.json"
    ):
        read(path)
    path = write(tmp_path / "b.csv", "a,b," * 30_000 + "c\n")
    with pytest.raises(DataError, match=r"one line of 60,001 columns\. Put each row on a line of its own"):
        read(path)


def test_very_many_columns_are_read_in_time(tmp_path):
    names = [f"c{number}" for number in range(50_000)]
    path = write(tmp_path / "a.csv", "\n".join([",".join(names), *([",".join("0" * 50_000)] * 2)]))
    started = time.process_time()
    assert len(read_table(path, header=True).columns) == 50_000
    with pytest.raises(DataError, match="names column 'c7' more than once"):
        read_table(write(path, ",".join([*names, "c7"]) + "\n" + "0," * 50_000 + "0\n"), header=True)
    assert time.process_time() - started < 20  # counting each name among all took minutes


def test_an_empty_delimiter_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"A delimiter is one character, .* not ''"):
        read_table(write(tmp_path / "a.csv", "text,label\na,b\n"), delimiter="")


def test_lines_keep_their_numbers_behind_a_promised_delimiter(tmp_path):
    table = read_table(write(tmp_path / "a.csv", "sep=;\ntext;label\none;x\ntwo;y\n"))
    assert table.places == [3, 4]
    assert not any("separated" in guess for guess in table.guesses)
    with pytest.raises(DataError, match=r"line 4: 1 column instead of 2"):
        read_table(write(tmp_path / "b.csv", "sep=;\ntext;label\none;x\ntwo\n"))
