import pytest

from understudy.errors import RecipeError
from understudy.runtime import threads as room
from understudy.runtime.threads import most_threads, usable_threads


def test_this_machine_has_a_core():
    assert most_threads() >= 1
    assert usable_threads(1) == 1


@pytest.mark.parametrize("wanted", [5, 10_000, 99_999_999_999])
def test_more_threads_than_cores_are_cut_with_a_warning(monkeypatch, wanted):
    monkeypatch.setattr(room, "most_threads", lambda: 4)
    with pytest.warns(UserWarning, match=f"threads is {wanted:,}, but this process may use 4 cores"):
        assert usable_threads(wanted) == 4


def test_as_many_threads_as_cores_pass_silently(monkeypatch):
    monkeypatch.setattr(room, "most_threads", lambda: 4)
    assert [usable_threads(wanted) for wanted in (1, 3, 4)] == [1, 3, 4]


@pytest.mark.parametrize("wanted", [0, -1, 2.0, "2", None])
def test_what_is_no_number_of_threads_is_refused(wanted):
    with pytest.raises(RecipeError, match="whole number from 1 on"):
        usable_threads(wanted)


def test_without_affinity_all_cores_count(monkeypatch):
    monkeypatch.delattr(room.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(room.os, "cpu_count", lambda: 3)
    assert most_threads() == 3
    monkeypatch.setattr(room.os, "cpu_count", lambda: None)
    assert most_threads() == 1
