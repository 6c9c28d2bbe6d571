import json

import numpy as np

from understudy.augment.dedup import DUPLICATE, HELD_OUT, SHOWN, Deduplicator, KeySet, item_keys


def sieve(*held_out):
    judges = KeySet()
    judges.add(item_keys(held_out))
    return Deduplicator(KeySet(), judges)


def test_what_is_new_passes_and_the_rest_is_counted():
    found = sieve("Judge")
    passed, keys = found.pass_through(["a", "A ", "judge", "b", "judge"])
    assert passed == ["a", "b"]
    assert keys.tolist() == item_keys(["a", "b"]).tolist()
    assert (found.made, dict(found.removed)) == (5, {HELD_OUT: 2, DUPLICATE: 1})
    assert sorted((v.item, v.reason) for v in found.victims) == [("A ", DUPLICATE), ("judge", HELD_OUT)]


def test_victims_are_a_random_sample_of_the_distinct_ones():
    texts = [f"text {n}" for n in range(2000)]
    found = sieve()
    found.pass_through(texts)
    for start in range(0, 2000, 90):
        found.pass_through(texts[start : start + 90])
        found.pass_through(texts[:5] * 50)
    whole = sieve()
    whole.pass_through(texts)
    whole.pass_through(texts)
    assert found.victims == whole.victims
    assert len(found.victims) == SHOWN
    rows = [texts.index(victim.item) for victim in found.victims]
    assert np.ptp(rows) > 800


def test_each_reason_has_its_share_of_the_victims():
    found = sieve("judge", "other")
    texts = [f"text {n}" for n in range(50)]
    found.pass_through(texts * 2 + ["judge", "other"])
    assert [victim.reason for victim in found.victims].count(HELD_OUT) == 2
    assert len(found.victims) == SHOWN


def test_a_sieve_goes_on_where_another_one_stopped():
    pairs = [("a", "b"), ("c", "d")]
    one = sieve()
    one.pass_through(pairs * 2)
    read = json.loads(json.dumps(one.to_dict()))
    other = Deduplicator.from_dict(read, one.seen, one.held_out)
    assert other == one
    assert other.pass_through(pairs)[0] == []
    assert other.removed[DUPLICATE] == 4
