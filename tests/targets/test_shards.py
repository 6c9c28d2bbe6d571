import itertools
import json

import numpy as np
import pytest

from understudy.errors import StoreError
from understudy.targets import shards as module
from understudy.targets.shards import ShardPart, merge_shards, open_shard, write_shard


def keys_of(rng, items, largest=2**64):
    return rng.integers(0, largest, (items, 2), dtype=np.uint64)


def made(folder, keys, *, counts=None, first=0):
    """A shard whose logits say which key they belong to, by its place in ``keys``."""
    counts = np.ones(len(keys), dtype=np.int64) if counts is None else counts
    number = np.repeat(np.arange(first, first + len(keys)), counts)
    write_shard(folder, keys, counts, np.stack([number, -number], axis=1).astype(np.float32))
    return open_shard(folder, {})[0]


@pytest.mark.parametrize("items", [0, 1, 2, 15, 16, 17, 1000])
@pytest.mark.parametrize("largest", [2**64 - 1, 6, 2**60], ids=["uniform", "few", "low"])
def test_every_key_is_found_and_no_other(tmp_path, items, largest):
    rng = np.random.default_rng(items)
    keys = np.unique(keys_of(rng, items, largest), axis=0)
    rng.shuffle(keys)
    shard = made(tmp_path / "s", keys)
    assert len(shard) == len(keys)
    assert shard.rows(shard.find(keys))[:, 0].tolist() == list(range(len(keys)))
    known = set(map(tuple, keys.tolist()))
    others = [key for key in keys_of(rng, 300, largest).tolist() if tuple(key) not in known]
    assert (shard.find(np.array(others, dtype=np.uint64).reshape(-1, 2)) == -1).all()
    beside = keys + np.array([0, 1], dtype=np.uint64)
    assert [place >= 0 for place in shard.find(beside)] == [tuple(key) in known for key in beside.tolist()]


def test_the_first_place_is_that_of_a_sorted_list(tmp_path):
    rng = np.random.default_rng(0)
    keys = np.unique(keys_of(rng, 500, 40), axis=0)
    shard = made(tmp_path / "s", keys)
    listed = [tuple(key) for key in shard.keys.tolist()]
    assert listed == sorted(listed)
    for wanted in keys_of(rng, 50, 42):
        expected = sum(key < tuple(wanted.tolist()) for key in listed)
        assert shard.first_from(wanted[None]).tolist() == [expected]


def test_buckets_are_small_and_the_index_is_smaller(tmp_path):
    shard = made(tmp_path / "s", keys_of(np.random.default_rng(1), 20_000))
    sizes = np.diff(shard.index)
    assert sizes.sum() == 20_000
    assert 4 <= sizes.mean() <= 8
    assert sizes.max() < 30
    assert shard.index.nbytes <= 20_000
    assert isinstance(shard.keys, np.memmap)
    assert isinstance(shard.logits, np.memmap)


def test_items_of_several_rows(tmp_path):
    rng = np.random.default_rng(2)
    keys, counts = keys_of(rng, 50), rng.integers(0, 4, 50)
    shard = made(tmp_path / "s", keys, counts=counts)
    asked = np.array([7, 3, 3, 49])
    places = shard.find(keys[asked])
    assert shard.counts(places).tolist() == counts[asked].tolist()
    assert shard.rows(places)[:, 0].tolist() == np.repeat(asked, counts[asked]).tolist()


@pytest.mark.parametrize("size", [64, 1000, 2**30], ids=["many ranges", "some", "one"])
@pytest.mark.parametrize("has_counts", [False, True])
def test_merged_shards_hold_what_each_held(tmp_path, monkeypatch, size, has_counts):
    monkeypatch.setattr(module, "MERGE_BYTES", size)
    rng = np.random.default_rng(3)
    keys = np.unique(keys_of(rng, 300), axis=0)
    rng.shuffle(keys)
    counts = rng.integers(0, 3, len(keys)) if has_counts else np.ones(len(keys), dtype=np.int64)
    cuts = [0, 5, 205, len(keys)]
    parts = [
        made(tmp_path / str(a), keys[a:b], counts=counts[a:b] if a else None, first=a)
        for a, b in itertools.pairwise(cuts)
    ]
    merge_shards(tmp_path / "all", parts)
    counts[:5] = 1
    whole, again = open_shard(tmp_path / "all", {})[0], made(tmp_path / "at once", keys, counts=counts)
    assert (whole.starts is None) is not has_counts
    for name in ("keys", "logits", "index"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(again, name))
    if has_counts:
        np.testing.assert_array_equal(whole.starts, again.starts)


def test_keys_that_share_their_first_half_are_merged(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MERGE_BYTES", 48)
    keys = np.array([[7, n] for n in range(20)], dtype=np.uint64)
    merge_shards(tmp_path / "s", [made(tmp_path / "a", keys[::2]), made(tmp_path / "b", keys[1::2])])
    shard = open_shard(tmp_path / "s", {})[0]
    assert shard.find(keys).tolist() == list(range(20))


def test_parts_are_read_from_the_files(tmp_path):
    shard = made(tmp_path / "s", keys_of(np.random.default_rng(4), 20), counts=np.arange(20) % 3)
    part = shard.read(3, 9)
    assert isinstance(part, ShardPart)
    assert not any(isinstance(array, np.memmap) for array in part)
    np.testing.assert_array_equal(part.keys, shard.keys[3:9])
    np.testing.assert_array_equal(part.counts, shard.counts(np.arange(3, 9)))
    np.testing.assert_array_equal(part.logits, shard.rows(np.arange(3, 9)))


def test_an_index_is_made_again_in_parts(tmp_path, monkeypatch):
    shard = made(tmp_path / "s", keys_of(np.random.default_rng(5), 100))
    expected = shard.index.tolist()
    (tmp_path / "s" / "index.npy").unlink()
    monkeypatch.setattr(module, "READ_KEYS", 7)
    assert open_shard(tmp_path / "s", {})[0].index.tolist() == expected


@pytest.mark.parametrize("content", ["{", "{}", json.dumps({"files": {}}), "[]"])
def test_a_damaged_manifest_is_named(tmp_path, content):
    made(tmp_path / "s", keys_of(np.random.default_rng(6), 3))
    (tmp_path / "s" / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match=r"s/manifest\.json is missing or damaged"):
        open_shard(tmp_path / "s", {})
