import json
import subprocess
import sys

import numpy as np
import pytest

from understudy.augment.dedup import (
    DUPLICATE,
    HELD_OUT,
    SHOWN,
    Deduplicator,
    KeySet,
    item_keys,
    normalise_item,
    normalise_unordered,
    pick,
    unordered_keys,
)
from understudy.data.leakage import normalise, normalise_pair


def keys(*numbers):
    return np.array(numbers, dtype=np.uint64)


def test_items_are_compared_case_folded_with_single_spaces():
    assert normalise_item(" What a\tROOM ") == "what a room"
    assert normalise_item(("A  b", "C")) == "a b\x1fc"
    assert normalise_item(("a", "b c")) != normalise_item(("a b", "c"))
    one, other, third = item_keys(["The Room", "the  room", "the rooms"])
    assert one == other != third


def test_dev_and_test_are_compared_as_the_leak_guard_does():
    assert normalise_unordered(" What a\tROOM ") == normalise(" What a\tROOM ")
    assert (
        normalise_unordered(("A  b", "C"))
        == normalise_unordered(("c", "a b"))
        == normalise_pair(("A  b", "C"))
    )
    assert normalise_item(("a", "b")) != normalise_item(("b", "a"))
    texts, pairs = ["a", "b"], [("a", "b"), ("b", "a")]
    assert unordered_keys(texts, item_keys(texts)).tolist() == item_keys(texts).tolist()
    assert len(set(unordered_keys(pairs, item_keys(pairs)).tolist())) == 1
    assert len(unordered_keys([], item_keys([]))) == 0


def test_keys_are_the_same_in_every_process():
    code = "from understudy.augment.dedup import item_keys; print(item_keys(['the room'])[0])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) == int(item_keys(["the room"])[0])


def test_lone_surrogates_have_keys():
    assert len(set(item_keys(["\ud800", "\ud801", ""]).tolist())) == 3


def test_a_key_is_new_once():
    seen = KeySet()
    assert seen.add(keys(3, 1, 3, 2)).tolist() == [True, True, False, True]
    assert seen.add(keys(2, 4, 2**64 - 1)).tolist() == [False, True, True]
    assert seen.add(keys()).tolist() == []
    assert seen.contains(keys(0, 1, 2**64 - 1)).tolist() == [False, True, True]
    assert len(seen) == 5


@pytest.mark.parametrize("seed", range(3))
def test_many_batches_agree_with_a_set(seed):
    rng = np.random.default_rng(seed)
    seen, known = KeySet(), set()
    for size in rng.integers(0, 400, 40).tolist():
        batch = rng.integers(0, 5000, size).astype(np.uint64)
        expected = []
        for key in batch.tolist():
            expected.append(key not in known)
            known.add(key)
        assert seen.add(batch).tolist() == expected
    assert len(seen) == len(known)
    assert len(seen._runs) < 12


def test_picks_are_at_most_so_many_in_order():
    rows = np.arange(100)
    found = pick(list(range(100)), rows, 10, seed=0)
    assert len(found) == 10
    assert list(found) == sorted(set(found))
    assert pick("abc", np.array([2, 0]), 10, seed=0) == ("c", "a")
    assert found != pick(list(range(100)), rows, 10, seed=1)


def deduplicator(*held_out):
    barred = KeySet()
    barred.add(item_keys(held_out))
    return Deduplicator(KeySet(), barred)


def test_what_is_new_passes_and_the_rest_is_counted():
    found = deduplicator("Judge")
    passed, keys = found.pass_through(["a", "A ", "judge", "b", "judge"])
    assert passed == ["a", "b"]
    assert keys.tolist() == item_keys(["a", "b"]).tolist()
    assert (found.made, dict(found.removed)) == (5, {HELD_OUT: 2, DUPLICATE: 1})
    assert sorted((v.item, v.reason) for v in found.victims) == [("A ", DUPLICATE), ("judge", HELD_OUT)]


def test_victims_are_a_random_sample_of_the_distinct_ones():
    texts = [f"text {n}" for n in range(2000)]
    found = deduplicator()
    found.pass_through(texts)
    for start in range(0, 2000, 90):
        found.pass_through(texts[start : start + 90])
        found.pass_through(texts[:5] * 50)
    whole = deduplicator()
    whole.pass_through(texts)
    whole.pass_through(texts)
    assert found.victims == whole.victims
    assert len(found.victims) == SHOWN
    rows = [texts.index(victim.item) for victim in found.victims]
    assert np.ptp(rows) > 800


def test_each_reason_has_its_share_of_the_victims():
    found = deduplicator("judge", "other")
    texts = [f"text {n}" for n in range(50)]
    found.pass_through(texts * 2 + ["judge", "other"])
    assert [victim.reason for victim in found.victims].count(HELD_OUT) == 2
    assert len(found.victims) == SHOWN


def test_a_sieve_goes_on_where_another_one_stopped():
    pairs = [("a", "b"), ("c", "d")]
    one = deduplicator()
    one.pass_through(pairs * 2)
    read = json.loads(json.dumps(one.to_dict()))
    other = Deduplicator.from_dict(read, one.seen, one.held_out)
    assert other == one
    assert other.pass_through(pairs)[0] == []
    assert other.removed[DUPLICATE] == 4
