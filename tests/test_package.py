import pytest

import understudy


def test_public_names_are_found():
    for name in understudy.__all__:
        assert getattr(understudy, name) is not None


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = understudy.no_such_name
