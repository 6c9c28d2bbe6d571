import pytest

import understudy


def test_public_names_are_found():
    for name in understudy.__all__:
        assert getattr(understudy, name) is not None


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = understudy.no_such_name


def test_completion_lists_the_public_names():
    assert set(understudy.__all__) <= set(dir(understudy))
