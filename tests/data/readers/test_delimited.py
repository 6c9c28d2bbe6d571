import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.readers.delimited import (
    check_delimiter,
    check_widths,
    guess_delimiter,
    has_header,
    split_plain,
    split_quoted,
    uses_quotes,
)
from understudy.errors import DataError, RecipeError

KNOWN = frozenset({"text", "label", "sentence"})
cells = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(',;"\n\r\t'), max_size=12)


@given(st.lists(st.tuples(cells.filter(str.strip), cells), min_size=1, max_size=6), st.sampled_from(",;|\t"))
def test_what_a_csv_writer_wrote_is_read_back(rows, delimiter):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows(rows)
    read = split_quoted(file.getvalue(), delimiter, "a.csv")
    assert [tuple(row) for row in read.cells] == rows


@given(
    st.lists(
        st.lists(cells.filter(lambda cell: "\r" not in cell), min_size=2, max_size=2), min_size=1, max_size=6
    )
)
def test_each_row_knows_the_line_on_which_it_begins(rows):
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(rows)
    expected, line = [], 1
    for row in rows:
        expected.append(line)
        line += 1 + sum(cell.count("\n") for cell in row)
    assert split_quoted(file.getvalue(), ",", "a.csv").lines == expected


def test_blank_lines_are_skipped_but_counted_as_lines():
    assert split_quoted("a,b\n\n  \nc,d\n", ",", "x").lines == [1, 4]
    assert split_plain("a\tb\n\n  \nc\td\n", "\t").lines == [1, 4]


def test_plain_rows_keep_quotes_and_drop_carriage_returns():
    assert split_plain('"a\tb"\r\nc""\t"\n', "\t").cells == [['"a', 'b"'], ['c""', '"']]


def test_plain_rows_can_be_cut_from_the_right():
    assert split_plain("a;b;joy\nc;fear\n", ";", columns=2).cells == [["a;b", "joy"], ["c", "fear"]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('t,l\na,x\n"open,y\nb,x\n', 3),  # never closed
        ('t,l\na,x\n"open,y\nb,x\n"shut",y\n', 3),  # closed by the next opening quote
        ('t,l\n"a\nb","c" d\n', 3),  # the second field of a row that began a line earlier
        ('t,l\n"say "hello"",x\n', 2),  # not doubled
        ('a "b" c,x\n"q', 2),  # quotes within an unquoted field are ordinary
    ],
)  # fmt: skip
def test_broken_quoting_names_the_line_on_which_the_quote_opens(text, line):
    with pytest.raises(DataError, match=rf"a\.csv, line {line}: the quote that opens here"):
        split_quoted(text, ",", "a.csv")


@pytest.mark.parametrize("start", ["", '"'])
def test_a_field_without_end_is_said(start):
    with pytest.raises(
        DataError, match=r"a\.csv, line 2: a field in the row .* more than 131,072 characters"
    ):
        split_quoted(f"text,label\n{start}{'word ' * 30_000},x\n", ",", "a.csv")


@pytest.mark.parametrize(
    ("text", "usual", "expected"),
    [
        ("text;label\nhello, world;a\nwell, well;b\n", ",", ";"),
        ("text;label\nhello, world;a\nwell, well;b\n", None, ";"),
        ("text,label\nhello; world,a\n", ",", ","),
        ("a\tb\nc, d\te\n", "\t", "\t"),
        ("a|b\nc|d\n", None, "|"),
        ('"x\ny",a\n"z\nw",b\n', None, ","),
        ("one\ntwo\n", ",", ","),
        ("one\ntwo\n", None, ","),
        ("", None, ","),
        ("x" * 140_000 + "\ty\n", "\t", "\t"),
        ("a,b\n" * 40_000, None, ","),
    ],
)
def test_delimiters_are_guessed(text, usual, expected):
    assert guess_delimiter(text, usual) == expected


def test_delimiters_can_be_spelled():
    assert check_delimiter("tab") == check_delimiter("\\t") == "\t"
    assert check_delimiter(":") == ":"
    for wrong in ("::", '"', "", "\n"):
        with pytest.raises(RecipeError, match="A delimiter is one character"):
            check_delimiter(wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb\n", False),
        ('"Oh" he said\tx\nb\ty\n', False),  # a lone quoted word
        ('"Oh"\tx\nb\ty\n', False),  # one quoted text among plain ones
        ('text\tlabel\n"a"\tx\n"b"\ty\n', True),  # a column quoted throughout
        ('"a\nb"\tx\nc\ty\n', True),  # a line end that only quotes explain
        ('"a\tx\nb\ty\n', False),  # never closed
        ('"a\nb"\tx\nc\ty\tz\n', False),  # uneven either way
    ],
)
def test_tab_files_are_quoted_only_where_that_is_plain(text, expected):
    assert uses_quotes(text, "\t") is expected


def test_rows_of_another_width_are_all_named():
    rows = split_plain("a\tb\nc\nd\te\tf\n", "\t")
    with pytest.raises(DataError, match=r"(?s)2 problems.*line 2: 1 column instead of 2.*line 3: 3 columns"):
        check_widths(rows, 2, "\t", "a.tsv")
    with pytest.raises(DataError, match="separated by ':'"):
        check_widths(rows, 3, ":", "a.tsv")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["text", "label"], ["a", "x"]], True),
        ([["Text", "Anything"], ["a", "x"]], True),
        ([["text", "label"]], True),
        ([["a fine film", "label"], ["b", "label"]], False),  # a label that recurs
        ([["what a film !", "1"], ["b", "0"]], False),
        ([["phrase", "verdict"], ["a b", "x"], ["c d", "y"], ["e f", "x"], ["g", "y"]], True),
        ([["bonjour", "x"], ["a b", "x"], ["c d", "y"], ["e f", "x"], ["g", "y"]], False),
        ([["a b", "verdict"], ["a c", "x"], ["c d", "y"], ["e f", "x"], ["g", "y"]], False),
        ([["same", "same"], ["a", "b"]], False),
        ([["alone"], ["other"]], False),
        ([["", "text", "label"], ["0", "a", "x"]], True),
        ([["text", "label", "", ""], ["a", "x", "", ""]], True),  # two empty columns of a spreadsheet
        ([["text", "label", "text"], ["a", "x", "b"]], True),  # a mistake, and to be said as such
        ([["phrase", "verdict", "", ""], *[["p", v, "", ""] for v in "xyxy"]], True),
    ],
)
def test_headers_are_guessed(rows, expected):
    assert has_header(rows, KNOWN) is expected
