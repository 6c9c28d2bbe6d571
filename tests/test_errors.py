import pytest

from understudy import errors
from understudy.errors import UnderstudyError, nearest


def test_every_error_has_the_one_base():
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    ours = [kind for kind in found if issubclass(kind, Exception)]
    assert len(ours) >= 8
    assert all(issubclass(kind, UnderstudyError) for kind in ours)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("cbow", "cbow.v1"),  # the beginning of a name
        ("CBOW.V1", "cbow.v1"),  # another case
        ("bilstn.v1", "bilstm.v1"),  # one wrong letter
        ("b", "bilstm.v1"),  # too short to be close, but a beginning
    ],
)
def test_suggests_the_nearest_name_and_lists_all(name, guess):
    sentence = nearest(name, ["cbow.v1", "bilstm.v1"])
    assert sentence == f"Did you mean {guess!r}? Known: 'bilstm.v1', 'cbow.v1'."


@pytest.mark.parametrize("name", ["zzzzzzzz", ""])
def test_suggests_nothing_that_is_not_near(name):
    assert nearest(name, ["cbow.v1"]) == "Known: 'cbow.v1'."


def test_says_that_there_are_none():
    assert nearest("x", []) == "There are none."


def test_keeps_the_case_of_known_names():
    assert nearest("minilm", ["MiniLM", "BERT"]) == "Did you mean 'MiniLM'? Known: 'BERT', 'MiniLM'."


def test_of_very_many_names_the_first_are_listed():
    names = [f"column {number:06}" for number in range(100_000)]
    message = nearest("column 000004", names)
    assert message.startswith("Did you mean 'column 000004'? Known: 'column 000000', 'column 000001',")
    assert message.endswith("'column 000049' and 99,950 more.")
