import pytest
import torch

from understudy.students.layers.native import find_module, in_parts


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_thing_is_done_once(threads, count, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    done = []
    in_parts(lambda first, last: done.append(range(first, last)), count)
    assert sorted(one for part in done for one in part) == list(range(count))
    assert len(done) == min(threads, count)


def test_an_error_of_a_part_is_raised(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)

    def work(first, last):
        if first:
            raise ValueError(f"part {first}")

    with pytest.raises(ValueError, match="part 2"):
        in_parts(work, 4)


def test_an_extension_of_another_build_is_no_module():
    assert find_module("no_such_function") is None
