"""What an endpoint says, read with good will and without guessing."""

import math

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.teachers.answers import LEAST, Lookup, hard_row, read_columns, soft_row, votes_row
from understudy.teachers.chat.parsing import MalformedError

LABELS = ("not good", "good", "so-so")
NAMES = Lookup(LABELS, "ABC", by_code=False)
CODES = Lookup(LABELS, "ABC", by_code=True)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('{"label": "good"}', 1),
        ('{"label": "Not  Good"}', 0),
        ('{"label": "B"}', 1),
        ('{"label": ["so-so"]}', 2),
        ('{"labels": ["good"]}', 1),
        ('Of course:\n```json\n{"label": "good"}\n```\nDone {really}.', 1),
        ('First {"thought": {"label": "x"}}, then {"label": "so-so", "why": "{"}', 2),
        ('I thought {"label": "good"} but settle on {"label": "not good"}', 0),
        ("good", 1),
        ("**Good.**", 1),
        ('"B"', 1),
        ("(C)", 2),
        ("The label is not good", 0),
        ("so_so", None),
        ("It is so-so.", 2),
    ],
)
def test_answers_that_name_one_label(text, column):
    if column is None:
        with pytest.raises(MalformedError, match="names no label"):
            read_columns(text, NAMES, is_many=False)
    else:
        assert read_columns(text, NAMES, is_many=False) == (column,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no label"),
        ("A film to remember", "no label"),
        ("good, or so-so", "2 labels"),
        ('{"label": "splendid"}', "unknown label 'splendid'"),
        ('{"label": null}', "unknown label None"),
        ('{"label": {"name": "good"}}', "unknown label"),
        ('{"labels": ["good", "so-so"]}', "2 labels instead of one"),
        ('{"labels": []}', "0 labels instead of one"),
        ('{"label": ', "no label"),
        ("goodness", "no label"),
    ],
)
def test_answers_that_do_not(text, said):
    with pytest.raises(MalformedError, match=said):
        read_columns(text, NAMES, is_many=False)


def test_several_labels_or_none():
    assert read_columns('{"labels": ["good", "so-so", "good"]}', NAMES, is_many=True) == (1, 2)
    assert read_columns('{"labels": []}', NAMES, is_many=True) == ()
    with pytest.raises(MalformedError, match="no JSON"):
        read_columns("good", NAMES, is_many=True)


def test_a_code_that_is_another_labels_name_means_what_was_asked_for():
    labels = ("B", "A")
    assert Lookup(labels, "AB", by_code=True).column("A") == 0
    assert Lookup(labels, "AB", by_code=False).column("A") == 1


def test_the_first_tokens_distribution_by_hand():
    tops = [("B", math.log(0.6)), (" b", math.log(0.1)), ("A", math.log(0.2)), ("x", math.log(0.06))]
    row = soft_row("B", tops, CODES, 3)
    # C was not listed: less than 0.06, and of what is left 0.04
    expected = np.array([0.2, 0.7, 0.04]) / 0.94
    np.testing.assert_allclose(Task(LABELS).probabilities(row), expected, atol=1e-6)
    assert abs(row.mean()) < 1e-6


def test_what_is_very_unlikely_stays_finite():
    row = soft_row("A", [("A", 0.0), ("B", -9999.0), ("C", -9999.0)], CODES, 3)
    np.testing.assert_allclose(row - row[0], [0.0, LEAST, LEAST], atol=1e-4)


def test_names_that_differ_in_case_alone_are_told_apart():
    found = Lookup(("US", "us", "them"), "ABC", by_code=False)
    assert [found.column(name) for name in ("US", "us", "Them", "Us")] == [0, 1, 2, None]
    with pytest.raises(MalformedError, match="2 labels"):
        read_columns("I would say us.", found, is_many=False)
    assert read_columns("It is them.", found, is_many=False) == (2,)
    assert Lookup(("cafe\u0301", "bar"), "AB", by_code=False).column("Caf\u00e9") == 0


def test_raw_logits_and_halves_of_codes_are_no_distribution():
    assert soft_row("A", [("A", 0.0), ("B", -0.1)], CODES, 3) is None
    many = Lookup([f"label {n}" for n in range(30)], [str(n) for n in range(1, 31)], by_code=True)
    assert soft_row("12", [("1", -0.05), ("2", -4.0)], many, 30) is None
    assert soft_row("12", [("12", -0.05), ("2", -4.0)], many, 30).argmax() == 11


@pytest.mark.parametrize(
    ("text", "tops"),
    [
        ("B", []),
        ("A film", [("A", 0.0)]),
        ('{"label": "good"}', [("{", 0.0)]),
        ("B", [("The", math.log(0.7)), ("B", math.log(0.3))]),
        ("B", [("", 0.0)]),
    ],
)
def test_no_distribution_over_codes(text, tops):
    assert soft_row(text, tops, CODES, 3) is None


def test_hard_rows_and_votes_by_hand():
    task, many = Task(LABELS), Task(LABELS, "multilabel")
    chosen = task.probabilities(hard_row((1,), task, 0.1))
    np.testing.assert_allclose(chosen, [0.05, 0.9, 0.05], atol=1e-6)
    odds = math.log(9)
    np.testing.assert_allclose(hard_row((0, 2), many, 0.1), [odds, -odds, odds], atol=1e-5)
    np.testing.assert_allclose(hard_row((), many, 0.1), [-odds] * 3, atol=1e-5)
    votes = [(0,), (0,), (1,)]
    np.testing.assert_allclose(
        task.probabilities(votes_row(votes, task, 0.1)), np.array([2.1, 1.1, 0.1]) / 3.3, atol=1e-6
    )
    found = votes_row([(0, 1), (0,)], many, 0.1)
    np.testing.assert_allclose(np.exp(found), [2.1 / 0.1, 1.0, 0.1 / 2.1], rtol=1e-5)
