from itertools import pairwise

import numpy as np
import pytest

from understudy.runtime import onnx_session as room
from understudy.runtime.onnx_session import TOKEN_BUDGET, batches, open_session
from understudy.students import build


@pytest.fixture(scope="module")
def graph():
    return build("cbow.v1", 2, seed=0, vocabulary_size=9).to_onnx().SerializeToString()


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_as_many_as_asked_for_and_do_not_spin(graph, threads):
    options = open_session(graph, threads).get_session_options()
    assert options.intra_op_num_threads == threads
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_file_and_its_bytes_are_the_same_graph(graph, tmp_path):
    path = tmp_path / "ä b.onnx"
    path.write_bytes(graph)
    feeds = {"ids": np.array([[3, 4]]), "lengths": np.array([2])}
    one, other = (open_session(each).run(["logits"], feeds)[0] for each in (path, graph))
    # Two sessions lay the same weights out in memory for themselves, so sums may differ in the last bit.
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_texts_of_similar_length_share_a_call(monkeypatch):
    monkeypatch.setattr(room, "TOKEN_BUDGET", 100)
    lengths = np.random.default_rng(0).integers(1, 130, 60)
    found = list(batches(lengths))
    assert sorted(np.concatenate(found).tolist()) == list(range(60))
    assert all(len(units) == 1 or len(units) * lengths[units].max() <= 100 for units in found)
    assert all(lengths[one].max() <= lengths[two].min() for one, two in pairwise(found))
    assert 10 < len(found) < 60


def test_short_texts_fill_a_call_up_to_the_budget():
    assert [len(units) for units in batches(np.full(TOKEN_BUDGET // 8 + 1, 8))] == [TOKEN_BUDGET // 8, 1]
    assert list(batches(np.zeros(0, dtype=np.int64))) == []
