import pytest

from understudy.data.readers.conll import looks_like_conll, read_columns, read_conllu
from understudy.errors import DataError

PLAIN = "Anna\tB-PER\nsings\tO\n\n\nin\tO\nRome\tB-LOC\n"
CONLLU = """# sent_id = 1
1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tAUX\tVBP\t_\t0\troot\t_\t_
2\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\t_
2.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_

# text = # 1
1\t#\t#\tSYM\tNN\t_\t0\troot\t_\t_
"""


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\t", " "),
        PLAIN.replace("\t", "   ").replace("\n", " \n"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.rstrip(),
        "-DOCSTART-\tO\n\n" + PLAIN,
        "\n\n" + PLAIN + "\n\n",
    ],
)
def test_columns_are_separated_by_tabs_or_spaces(text):
    found = read_columns(text, "a.conll")
    assert found.columns == {
        "words": [("Anna", "sings"), ("in", "Rome")],
        "tags": [("B-PER", "O"), ("O", "B-LOC")],
    }


def test_every_word_knows_its_line():
    assert read_columns("-DOCSTART- O\n\n" + PLAIN.replace("\t", " "), "a").lines == [(3, 4), (7, 8)]


def test_more_columns_and_their_names():
    four = "a D x O\nb N y B-X\n"
    assert list(read_columns(four, "a").columns) == ["column_1", "column_2", "column_3", "column_4"]
    assert read_columns(four, "a", names=("w", "p", "c", "t")).columns["t"] == [("O", "B-X")]
    headed = read_columns("word\tner\na\tO\n", "a")
    assert headed.columns == {"word": [("a",)], "ner": [("O",)]}
    assert headed.lines == [(2,)]


def test_a_word_may_hold_spaces_between_tabs():
    assert read_columns("10 000\tNUM\n", "a").columns["words"] == [("10 000",)]
    assert read_columns("10\u00a0000 NUM\n", "a").columns["words"] == [("10\u00a0000",)]
    assert read_columns("a\tb NUM\n", "a", separator=" ").columns["words"] == [("a\tb",)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.conll is empty"),
        ("\n\n", "a.conll is empty"),
        ("-DOCSTART- O\n", "a.conll is empty"),
        ("a\tO\nb\n", "line 2: 1 column instead of 2: the word 'b' has no tag"),
        ("a O\n\nb\n", "line 3: 1 column instead of 2: the word 'b' has no tag"),
        ("a\tO\nb\t\n", "line 2: column 2 is empty"),
        ("a\tO\n\tO\n", "line 2: column 1 is empty"),
        ("a\tO\nb\tO\tO\n", "line 2: 3 columns instead of 2. Each line holds one word .* by tabs"),
        ("a O\nb\nc\n", r"(?s)a.conll has 2 problems:.*line 2.*line 3"),
    ],
)
def test_bad_columns_are_refused(text, message):
    with pytest.raises(DataError, match=message):
        read_columns(text, "a.conll")


def test_conllu_skips_ranges_empty_nodes_and_comments():
    found = read_conllu(CONLLU, "a.conllu")
    assert found.columns["form"] == [("do", "n't"), ("#",)]
    assert found.columns["upos"] == [("AUX", "PART"), ("SYM",)]
    assert found.columns["xpos"] == [("VBP", "RB"), ("NN",)]
    assert found.lines == [(3, 4), (8,)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.conllu is empty"),
        ("# text = nothing\n\n" + CONLLU, "line 1: a sentence without words"),
        (CONLLU + "2 b\n", "line 9: 1 column instead of 10"),
        (CONLLU.replace("NN", ""), "line 8: column 5 is empty"),
    ],
)
def test_bad_conllu_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        read_conllu(text, "a.conllu")


def test_what_looks_like_tagged_words():
    assert looks_like_conll(PLAIN)
    assert looks_like_conll("-DOCSTART- O\n\n" + PLAIN.replace("\t", " "))
    assert looks_like_conll((PLAIN + "\n") * 20_000)
    assert not looks_like_conll("")
    assert not looks_like_conll("a film\t1\n\na meal\t0\n\n")
    assert not looks_like_conll("a\tO\nb\tO\n")  # no blank line
    assert not looks_like_conll("a\tO\n\nb\tO\n\nc\tO\n")  # a row, a blank line, a row
    assert not looks_like_conll("a\tNOUN\nb\tVERB\n\nc\tNOUN\nd\tNOUN\n")
    assert not looks_like_conll("one line\nanother O\n\nfirst B-X\nand so on O\n")
