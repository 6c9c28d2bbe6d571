import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.tokenization import batching as module
from understudy.tokenization.batching import bucketed_batches, budgeted_batches, shuffled


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 99), max_size=120),
    batch_size=st.integers(1, 40),
    pool=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_buckets_cover_every_row_once(lengths, batch_size, pool, seed):
    made = bucketed_batches(np.array(lengths, dtype=np.int64), batch_size, np.random.default_rng(seed), pool)
    assert sorted(row for batch in made for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in made)
    assert len(made) == -(-len(lengths) // batch_size)


def test_buckets_are_seeded():
    lengths = np.random.default_rng(0).integers(1, 50, 200)

    def rows(seed):
        return [batch.tolist() for batch in bucketed_batches(lengths, 16, np.random.default_rng(seed), 3)]

    assert rows(0) == rows(0)
    assert rows(0) != rows(1)


def test_buckets_hold_similar_lengths_in_no_order():
    lengths = np.random.default_rng(0).integers(1, 200, 1000)
    made = bucketed_batches(lengths, 20, np.random.default_rng(1))
    padded = sum(len(batch) * lengths[batch].max() for batch in made)
    assert padded < 1.1 * lengths.sum()  # unsorted batches waste about half
    longest = [int(lengths[batch].max()) for batch in made]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


@pytest.mark.parametrize("budget", [1, 40, 640])
def test_batches_cover_each_row_once_within_the_budget(budget):
    lengths = np.random.default_rng(0).integers(1, 60, 300)
    batches = list(budgeted_batches(lengths, budget))
    assert sorted(np.concatenate(batches).tolist()) == list(range(300))
    for rows in batches:
        assert len(rows) == 1 or len(rows) * lengths[rows].max() <= budget
    # greedy: the first row of the next batch would not have fitted
    for rows, after in itertools.pairwise(batches):
        assert (len(rows) + 1) * lengths[after[0]] > budget


def test_no_row_gives_no_batch():
    assert list(budgeted_batches(np.zeros(0, dtype=np.int64), 640)) == []


def test_few_rows_are_shuffled_at_once():
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    assert shuffled(1000, one).tolist() == other.permutation(1000).tolist()


@pytest.mark.parametrize("rows", [0, 9, 10, 11, 95])
def test_many_rows_are_shuffled_in_windows(monkeypatch, rows):
    monkeypatch.setattr(module, "WINDOW", 10)
    order = shuffled(rows, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(rows))
    windows = [number for number, _ in itertools.groupby((order // 10).tolist())]
    assert len(windows) == len(set(windows)) == -(-rows // 10)  # one after the other
    if rows == 95:
        assert windows != sorted(windows)
        assert order.tolist() != shuffled(rows, np.random.default_rng(1)).tolist()
