import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from understudy.students import Ragged, RaggedTexts

IDS = np.array([11, 12, 13, 21, 31, 32], dtype=np.int64)
LENGTHS = np.array([3, 1, 2], dtype=np.int64)


def test_offsets_and_padding_by_hand():
    batch = Ragged(torch.from_numpy(IDS), torch.from_numpy(LENGTHS))
    assert batch.offsets.tolist() == [0, 3, 4]
    assert batch.padded().tolist() == [[11, 12, 13], [21, 0, 0], [31, 32, 0]]
    assert batch.padded().dtype == torch.int64


def test_takes_any_rows_in_any_order():
    texts = RaggedTexts(IDS, LENGTHS)
    batch = texts.take(np.array([2, 0, 2]))
    assert len(texts) == 3
    assert batch.ids.tolist() == [31, 32, 11, 12, 13, 31, 32]
    assert batch.lengths.tolist() == [2, 3, 2]
    assert texts.take(np.array([1])).padded().tolist() == [[21]]


def test_takes_rows_that_do_not_lie_side_by_side():
    batch = RaggedTexts(IDS, LENGTHS).take(np.arange(3)[::-2])
    assert batch.ids.tolist() == [31, 32, 11, 12, 13]


@given(data=st.data(), lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_takes_what_a_loop_would(data, lengths):
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=20))
    ids = np.arange(1, sum(lengths) + 1)
    parts = np.split(ids, np.cumsum(lengths)[:-1])
    batch = RaggedTexts(ids, np.array(lengths)).take(np.array(rows))
    assert batch.ids.tolist() == np.concatenate([parts[row] for row in rows]).tolist()
    padded = batch.padded().tolist()
    for row, line in zip(rows, padded, strict=True):
        assert line == parts[row].tolist() + [0] * (len(padded[0]) - len(parts[row]))
